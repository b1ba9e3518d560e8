"""BER-TLV: known answers at every length boundary, and input that is not TLV."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.iso7816 import tlv


# ISO/IEC 7816-4, section 5.2.2.2, table 8: one length byte up to 7F, then 81, 82, 83.
@pytest.mark.parametrize(
    ("length", "encoded"),
    [
        (0x00, "00"),
        (0x01, "01"),
        (0x7F, "7F"),
        (0x80, "8180"),
        (0xFF, "81FF"),
        (0x100, "820100"),
        (0xFFFF, "82FFFF"),
        (0x10000, "83010000"),
    ],
)
def test_length(length: int, encoded: str) -> None:
    data = tlv.encode(0x53, bytes(length))
    assert data[1:] == bytes.fromhex(encoded) + bytes(length)
    assert tlv.parse(data) == {0x53: bytes(length)}


@pytest.mark.parametrize("tag", [0x53, 0x7E, 0x7F61, 0x5F2F, 0x5FC105])
def test_tags_of_one_to_three_bytes(tag: int) -> None:
    assert tlv.parse(tlv.encode(tag, b"\x01")) == {tag: b"\x01"}


def test_objects_keep_their_order() -> None:
    assert list(tlv.parse(bytes.fromhex("8200 8101AA 5C00"))) == [0x82, 0x81, 0x5C]


@pytest.mark.parametrize(
    "broken",
    [
        *("53", "5302AA", "5381", "538201", "5F", "5F80", "5380", "538401000000AA"),
        *("81008100", "5FFFFFFF0100", "530053", "00"),
    ],
)
def test_refused(broken: str) -> None:
    with pytest.raises(tlv.TlvError):
        tlv.parse(bytes.fromhex(broken))


@given(st.binary(max_size=64))
def test_whatever_comes_is_parsed_or_refused(data: bytes) -> None:
    try:
        found = tlv.parse(data)
    except tlv.TlvError:
        return
    assert sum(len(value) for value in found.values()) <= len(data)
