"""Command APDUs: bytes from the reader become a CommandApdu or a status word.

The eight forms (four cases, each short and extended) are those of ISO/IEC 7816-4, section 5.1,
and ISO/IEC 7816-3, section 12.1.3. Nothing here knows what any command means.
"""

from __future__ import annotations

from typing import NamedTuple

from .status_words import StatusError, StatusWord

_HEADER = 4
_SHORT_NE = 0x100
_EXTENDED_NE = 0x10000


class CommandApdu(NamedTuple):
    """A well-formed command: `ne` is the greatest number of answer bytes that is wanted."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    ne: int = 0


def parse_apdu(raw: bytes) -> CommandApdu:
    """Return the command in `raw`; raise StatusError 6700 when its lengths do not add up."""
    length = len(raw)
    if length <= _HEADER + 1:
        return _without_data(raw)
    end = _HEADER + 1 + raw[4]
    if not raw[4]:
        data, ne = _extended_body(raw)
    elif length == end + 1:
        data, ne = raw[5:end], raw[end] or _SHORT_NE
    elif length == end:
        data, ne = raw[5:], 0
    else:
        raise StatusError(StatusWord.WRONG_LENGTH)
    return CommandApdu(raw[0], raw[1], raw[2], raw[3], data, ne)


def _without_data(raw: bytes) -> CommandApdu:
    if len(raw) == _HEADER:
        return CommandApdu(*raw)
    if len(raw) < _HEADER:
        raise StatusError(StatusWord.WRONG_LENGTH)
    return CommandApdu(raw[0], raw[1], raw[2], raw[3], b"", raw[_HEADER] or _SHORT_NE)


def _extended_body(raw: bytes) -> tuple[bytes, int]:
    number = int.from_bytes(raw[5:7], "big")
    if len(raw) == 7:
        return b"", number or _EXTENDED_NE
    end = 7 + number
    if number and len(raw) == end:
        return raw[7:], 0
    if number and len(raw) == end + 2:
        return raw[7:end], int.from_bytes(raw[end:], "big") or _EXTENDED_NE
    raise StatusError(StatusWord.WRONG_LENGTH)
