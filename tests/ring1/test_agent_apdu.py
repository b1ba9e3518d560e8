"""TLV objects and APDUs: ISO 7816-4 sections 5.1 to 5.3 and 7.6."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.agent import fails
from support.scripted_card import ScriptedCard

import agent
from agent import AgentError, Command, Fault, Instruction, decode_tlvs, encode_tlv, exchange

# ISO 7816-4, 5.2.2.2: the shortest of the length fields.
LENGTH_FIELDS = {
    0x00: "00",
    0x01: "01",
    0x7F: "7F",
    0x80: "8180",
    0xFF: "81FF",
    0x100: "820100",
    0xFFFF: "82FFFF",
    0x10000: "83010000",
}


@pytest.mark.parametrize("size", LENGTH_FIELDS, ids=lambda size: f"{size:X}")
def test_length_fields_at_their_boundaries(size: int) -> None:
    value = bytes(size)
    encoded = encode_tlv(0x53, value)
    assert encoded[:5].hex().upper().startswith("53" + LENGTH_FIELDS[size])
    assert decode_tlvs(encoded) == {0x53: value}


@pytest.mark.parametrize(
    ("data", "objects"),
    [
        ("", {}),
        ("8200", {0x82: b""}),
        ("5C035FC105", {0x5C: b"\x5f\xc1\x05"}),
        ("8101AA8201BB", {0x81: b"\xaa", 0x82: b"\xbb"}),
        ("53820001AA", {0x53: b"\xaa"}),  # longer than it need be, as some cards write it
        ("00FF008101AAFF00008201BBFFFF", {0x81: b"\xaa", 0x82: b"\xbb"}),  # filler (ISO 7816-4, 5.2.2.1)
        ("4F01AA5F2F024010", {0x4F: b"\xaa", 0x5F2F: b"\x40\x10"}),
        ("7F210100", {0x7F21: b"\0"}),
    ],
)
def test_objects_side_by_side(data: str, objects: dict[int, bytes]) -> None:
    assert decode_tlvs(bytes.fromhex(data)) == objects


@pytest.mark.parametrize(
    "data",
    ["53", "5F", "5381", "538201", "5380", "5384", "530501020304", "53FFFFFF", "530053", "53005300", "5F2F005F2F00"],
)
def test_what_is_no_tlv_says_so(data: str) -> None:
    with fails(Fault.CARD_NONSENSE):
        decode_tlvs(bytes.fromhex(data))


@given(st.dictionaries(st.sampled_from([0x53, 0x70, 0x71, 0x7C, 0x81, 0x82, 0xFE]), st.binary()))
def test_what_is_encoded_is_decoded(objects: dict[int, bytes]) -> None:
    assert decode_tlvs(b"".join(encode_tlv(*each) for each in objects.items())) == objects


@given(st.binary(max_size=200))
def test_any_bytes_are_objects_or_nonsense(data: bytes) -> None:
    with contextlib.suppress(AgentError):
        decode_tlvs(data)


def apdus(size: int) -> list[str]:
    command = Command(Instruction.GENERAL_AUTHENTICATE, 0x07, 0x9A, bytes(size))
    return [apdu.hex().upper() for apdu in command.apdus()]


@pytest.mark.parametrize(
    ("size", "headers"),
    [
        (0, ["0087079A00"]),
        (1, ["0087079A01"]),
        (255, ["0087079AFF"]),
        (256, ["1087079AFF", "0087079A01"]),
        (510, ["1087079AFF", "0087079AFF"]),
        (511, ["1087079AFF", "1087079AFF", "0087079A01"]),
    ],
)
def test_data_over_255_bytes_is_chained(size: int, headers: list[str]) -> None:
    assert [apdu[:10] for apdu in apdus(size)] == headers
    assert sum(int(apdu[8:10], 16) for apdu in apdus(size)) == size


def test_only_the_last_of_a_chain_asks_for_an_answer() -> None:
    first, last = apdus(256)
    assert len(first) == 2 * (5 + 255)
    assert last == "0087079A010000"


def test_verify_asks_for_no_answer() -> None:
    command = Command(Instruction.VERIFY, 0, 0x80, b"1", answer_expected=False)
    assert list(command.apdus()) == [bytes.fromhex("002000800131")]


READ = Command(Instruction.GET_DATA, 0x3F, 0xFF, bytes.fromhex("5C035FC105"))
READ_APDU = bytes.fromhex("00CB3FFF055C035FC10500")


@pytest.mark.parametrize(
    ("answers", "sent_then", "data", "status"),
    [
        (["AABB9000"], [], "AABB", 0x9000),
        (["6A82"], [], "", 0x6A82),
        (["AA6102", "BBCC9000"], ["00C0000002"], "AABBCC", 0x9000),
        (["AA6100", "BB6101", "CC9000"], ["00C0000000", "00C0000001"], "AABBCC", 0x9000),
        (["6CFF", "AA9000"], ["00CB3FFF055C035FC105FF"], "AA", 0x9000),
        (["6C10", "AA6101", "BB9000"], ["00CB3FFF055C035FC10510", "00C0000001"], "AABB", 0x9000),
        (["6110", "6C02", "AABB9000"], ["00C0000010", "00C0000002"], "AABB", 0x9000),
    ],
    ids=["whole", "refused", "61", "61-twice", "6C", "6C-then-61", "61-then-6C"],
)
def test_nobody_above_sees_61_or_6c(answers: list[str], sent_then: list[str], data: str, status: int) -> None:
    card = ScriptedCard(*answers)
    assert exchange(card, READ) == (bytes.fromhex(data), status)
    assert card.sent == [READ_APDU, *map(bytes.fromhex, sent_then)]


@pytest.mark.parametrize("then", ["6A82", "9000", "6110"])
def test_what_was_announced_must_come(then: str) -> None:
    with fails(Fault.CARD_NONSENSE):
        exchange(ScriptedCard("AA6101", then), READ)


def test_a_chain_ends_where_the_card_refuses() -> None:
    card = ScriptedCard("6884")
    command = Command(Instruction.GENERAL_AUTHENTICATE, 0x07, 0x9A, bytes(300))
    assert exchange(card, command) == (b"", 0x6884)
    assert len(card.sent) == 1


# 630X is what early YubiKeys say for 63CX; 6300 says nothing of tries.
TRIES_LEFT = [(0x63C0, 0), (0x63C2, 2), (0x63CF, 15), (0x6983, 0), (0x9000, None), (0x6302, 2), (0x6300, None)]


@pytest.mark.parametrize(("status", "left"), TRIES_LEFT)
def test_tries_left_in_a_status_word(status: int, left: int | None) -> None:
    assert agent.tries_left(status) == left


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x9000, "9000 success"),
        (0x63C2, "63C2 2 tries left"),
        (0x6A82, "6A82 file not found"),
        (0x6100, "6100 more can be read"),
        (0x6FAB, "6FAB not known to the agent"),
    ],
)
def test_status_words_in_words(status: int, words: str) -> None:
    assert agent.describe_status(status) == words


def test_a_command_with_a_passcode_shows_none_of_it() -> None:
    command = Command(Instruction.VERIFY, 0, 0x80, b"123456\xff\xff", "words", secret=True)
    for text in (str(command), repr(command), f"{command}"):
        assert "123456" not in text
        assert b"123456".hex() not in text.replace(" ", "").lower()
    assert str(command) == "VERIFY 00 20 00 80 passcode hidden"


def test_verify_is_never_sent_again_with_another_length() -> None:
    """It has no Le to put right: its last byte is the passcode's, and every VERIFY costs a try."""
    card = ScriptedCard("6CFF")
    command = Command(Instruction.VERIFY, 0, 0x80, b"12345678", secret=True, answer_expected=False)
    assert exchange(card, command) == (b"", 0x6CFF)
    assert len(card.sent) == 1
