"""Command APDUs: the four cases in short and extended form, and everything in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import VirtualCard
from emulator.iso7816.apdu import CommandApdu, parse_apdu
from emulator.iso7816.status_words import StatusError, StatusWord

HEADER = "00CB3FFF"


# ISO/IEC 7816-3, section 12.1.3: case, Lc and Le fields, what they mean.
@pytest.mark.parametrize(
    ("body", "data_length", "ne"),
    [
        ("", 0, 0),
        ("01", 0, 1),
        ("FF", 0, 255),
        ("00", 0, 256),
        ("01" + "AA", 1, 0),
        ("FF" + "AA" * 255, 255, 0),
        ("01" + "AA" + "08", 1, 8),
        ("01" + "AA" + "00", 1, 256),
        ("FF" + "AA" * 255 + "00", 255, 256),
        ("00" + "0001", 0, 1),
        ("00" + "0100", 0, 256),
        ("00" + "FFFF", 0, 65535),
        ("00" + "0000", 0, 65536),
        ("00" + "0001" + "AA", 1, 0),
        ("00" + "0100" + "AA" * 256, 256, 0),
        ("00" + "FFFF" + "AA" * 65535, 65535, 0),
        ("00" + "0001" + "AA" + "0000", 1, 65536),
        ("00" + "0100" + "AA" * 256 + "0008", 256, 8),
    ],
    ids=[
        *("1", "2S-min", "2S", "2S-256", "3S-min", "3S-max", "4S-min", "4S", "4S-max"),
        *("2E-min", "2E", "2E-max", "2E-65536", "3E-min", "3E", "3E-max", "4E-min", "4E"),
    ],
)
def test_cases(body: str, data_length: int, ne: int) -> None:
    apdu = parse_apdu(bytes.fromhex(HEADER + body))
    assert apdu == CommandApdu(0x00, 0xCB, 0x3F, 0xFF, b"\xaa" * data_length, ne)


MALFORMED = {
    "nothing": "",
    "1 byte": "00",
    "2 bytes": "00CB",
    "3 bytes": "00CB3F",
    "Lc 2 with 1 byte": HEADER + "02" + "AA",
    "Lc 1 with 3 bytes": HEADER + "01" + "AABBCC",
    "Lc 255 with 254 bytes": HEADER + "FF" + "AA" * 254,
    "Lc 255 with 257 bytes": HEADER + "FF" + "AA" * 257,
    "Lc 5 and nothing but half of it": HEADER + "05" + "5C03",
    "short Lc with an extended Le": HEADER + "01" + "AA" + "0000",
    "extended, length of one byte": HEADER + "00" + "01",
    "extended, Lc 0 with a byte": HEADER + "000000" + "AA",
    "extended, Lc 0 with an Le": HEADER + "000000" + "0000",
    "extended, Lc 2 with 1 byte": HEADER + "000002" + "AA",
    "extended, Lc 1 with Le of one byte": HEADER + "000001" + "AA" + "00",
    "extended, Lc 1 with 4 bytes": HEADER + "000001" + "AABBCCDD",
    "extended, Lc 65535 with 3 bytes": HEADER + "00FFFF" + "AABBCC",
    "extended, Lc 256 with 255 bytes": HEADER + "000100" + "AA" * 255,
    "a VERIFY whose passcode is cut off": "0020008008" + "313233",
    "a VERIFY with a byte too many behind Le": "0020008008" + "313233343536FFFF" + "0000",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_malformed(raw: str, virtual_card: VirtualCard) -> None:
    with pytest.raises(StatusError) as caught:
        parse_apdu(bytes.fromhex(raw))
    assert caught.value.word == StatusWord.WRONG_LENGTH
    assert virtual_card.transmit(bytes.fromhex(raw)) == StatusWord.WRONG_LENGTH.octets
    assert virtual_card.card.passcode.tries_left == 3


@given(st.binary(max_size=300))
def test_every_command_survives_parsing_or_is_refused(raw: bytes) -> None:
    try:
        apdu = parse_apdu(raw)
    except StatusError:
        return
    assert bytes(apdu[:4]) == raw[:4]
    assert apdu.data in raw
