"""BER-TLV data objects: a tag, a length, a value (ISO/IEC 7816-4, section 5.2.2).

A tag is an int of one to three bytes as they are written (0x53, 0x7F61, 0x5FC105).
"""

from __future__ import annotations

_MORE_TAG_BYTES = 0x1F
_MAX_TAG_BYTES = 3
_MAX_LENGTH_BYTES = 3


class TlvError(ValueError):
    """The bytes are not a sequence of BER-TLV data objects."""


def encode(tag: int, *values: bytes) -> bytes:
    """Return one data object; several values are put one after the other inside it."""
    value = b"".join(values)
    tag_bytes = tag.to_bytes((tag.bit_length() + 7) // 8 or 1, "big")
    return tag_bytes + _encode_length(len(value)) + value


def encode_all(values: dict[int, bytes]) -> bytes:
    """Return data objects one after the other."""
    return b"".join(encode(tag, value) for tag, value in values.items())


def parse(data: bytes) -> dict[int, bytes]:
    """Return the data objects in `data` by tag, in their order.

    Raises TlvError for anything cut off or left over, and for a tag that comes twice
    (no template of SP 800-73-4 that a card receives repeats one).
    """
    found: dict[int, bytes] = {}
    position = 0
    try:
        while position < len(data):
            tag, position = _parse_tag(data, position)
            length, position = _parse_length(data, position)
            value = data[position : position + length]
            position += length
            if position > len(data) or tag in found:
                raise TlvError("data object cut off or repeated")
            found[tag] = value
    except IndexError:
        raise TlvError("data object cut off") from None
    return found


def _encode_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def _parse_tag(data: bytes, start: int) -> tuple[int, int]:
    end = start + 1
    if data[start] & _MORE_TAG_BYTES == _MORE_TAG_BYTES:
        while data[end] & 0x80:
            end += 1
        end += 1
    if end - start > _MAX_TAG_BYTES:
        raise TlvError("tag too long")
    return int.from_bytes(data[start:end], "big"), end


def _parse_length(data: bytes, start: int) -> tuple[int, int]:
    first = data[start]
    if first < 0x80:
        return first, start + 1
    count = first & 0x7F
    end = start + 1 + count
    if not 1 <= count <= _MAX_LENGTH_BYTES or end > len(data):
        raise TlvError("length of a data object cut off or too long")
    return int.from_bytes(data[start + 1 : end], "big"), end
