"""The card as a whole: its ATR, its names for things, and whatever bytes come."""

from __future__ import annotations

import logging
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.emulator import SELECT_PIV
from support.management import chained

from emulator import Card, VirtualCard
from emulator.faults import Status
from emulator.iso7816 import tlv
from emulator.iso7816.status_words import StatusError, StatusWord, meaning
from emulator.service.journal import as_json, blanked, one_line
from emulator.virtual_card import Exchange

HEADERS = st.sampled_from(
    [bytes.fromhex(header) for header in ("00A40400", "00CB3FFF", "00200080", "0020FF80")]
    + [bytes.fromhex(header) for header in ("1087079A", "0087119E", "0087009B", "00C00000")]
)
APDUS = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda header, body: header + body, HEADERS, st.binary(max_size=40)),
    st.builds(lambda header, body: header + bytes((len(body),)) + body, HEADERS, st.binary(max_size=40)),
)


def test_atr() -> None:
    """ISO/IEC 7816-3, section 8.2: T=1 alone, 13 historical bytes, and a right check byte."""
    atr = VirtualCard.atr
    assert atr[0] == 0x3B
    assert atr[1] & 0x0F == 13
    assert atr[4] & 0x0F == 1
    assert b"LANYARD" in atr
    assert reduce(xor, atr[1:]) == 0


def test_power(virtual_card: VirtualCard) -> None:
    assert virtual_card.power_on() == virtual_card.reset() == virtual_card.atr
    virtual_card.transmit(bytes.fromhex(SELECT_PIV))
    virtual_card.power_off()
    assert not virtual_card.state.selected
    assert not virtual_card.state.fragments.pending


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(APDUS, max_size=8))
def test_whatever_comes_is_answered(card_folder: Path, commands: list[bytes]) -> None:
    card = VirtualCard(Card.open(card_folder))
    heard: list[Exchange] = []
    card.observer = heard.append
    card.transmit(bytes.fromhex(SELECT_PIV))
    for command in commands:
        answer = card.transmit(command)
        assert len(answer) >= 2
        assert answer[-2:] != StatusWord.INTERNAL_ERROR.octets
    assert all(one_line(as_json(exchange)) for exchange in heard)


@pytest.mark.logs_errors("a fault in the card itself is put there on purpose")
def test_a_fault_of_our_own_is_an_answer_too(virtual_card: VirtualCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(virtual_card.card, "keys")
    assert virtual_card.transmit(bytes.fromhex(SELECT_PIV)) == StatusWord.INTERNAL_ERROR.octets


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (SELECT_PIV, "Choose the identity application (PIV)"),
        ("00A4040006A00000000101", "Look for another application"),
        ("00CB3FFF055C035FC105 00", "Read the certificate of key 9A, which says whose card this is"),
        ("00CB3FFF055C035FFF01 00", "Read object 5FFF01"),
        ("00CB3FFF055C035FC122 00", "Read object 5FC122 (secure messaging signer)"),
        ("00CB3FFF025300 00", "GET DATA, but not as PIV has it"),
        ("0020008008313233343536FFFF", "Try a passcode"),
        ("00200080", "Ask whether a passcode is needed, and how many tries are left"),
        ("0020FF80", "Forget that the passcode was right"),
        ("0087119E0A7C0882008104" + "00" * 4, "Sign or decrypt with key 9E, of the card itself (ECC P256)"),
        ("00FD000000", "Ask for the version of the card's software"),
        ("00CADF3005", "A command that PIV does not have, CA"),
        ("1087079A027C00", "A part of a long command"),
        ("00C0000000", "Fetch the rest of the answer"),
        ("0020008009313233", "A command whose lengths do not add up"),
        ("00", "Something that is no command, 1 bytes"),
    ],
)
def test_a_command_says_what_it_asks_for(command: str, words: str, virtual_card: VirtualCard) -> None:
    heard: list[Exchange] = []
    virtual_card.observer = heard.append
    virtual_card.transmit(bytes.fromhex(command))
    assert as_json(heard[0])["says"] == words


def test_the_words_of_a_long_command_are_those_of_the_whole(virtual_card: VirtualCard) -> None:
    heard: list[Exchange] = []
    virtual_card.observer = heard.append
    chained(virtual_card, "0087079A", tlv.encode(0x7C, tlv.encode(0x82), tlv.encode(0x81, bytes(256))))
    assert heard[-1].asked == "Sign or decrypt with key 9A, which proves who you are (RSA 2048)"


def test_a_command_that_a_fault_keeps_from_the_card_says_the_same(virtual_card: VirtualCard) -> None:
    heard: list[Exchange] = []
    virtual_card.observer = heard.append
    virtual_card.faults.add(Status(word=0x6581))
    assert virtual_card.transmit(bytes.fromhex("0020008008313233343536FFFF")) == bytes.fromhex("6581")
    assert heard[0].asked == "Try a passcode"


@pytest.mark.parametrize("instruction", ["20", "24", "2C", "FE", "FF"])
@pytest.mark.parametrize("start", ["00{}008008", "10{}008008", "0C{}008000", "FF{}"])
def test_a_passcode_is_never_shown(start: str, instruction: str) -> None:
    raw = bytes.fromhex(start.format(instruction)) + b"123456\xff\xff"
    exchange = Exchange(raw, None, b"\x90\x00", 0.1)
    for shown in (blanked(raw), str(exchange), repr(exchange), str(as_json(exchange))):
        assert "123456" not in shown
        assert "31 32 33" not in shown


def test_the_log_at_debug_holds_no_passcode(virtual_card: VirtualCard, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("emulator")
    caplog.set_level(1)
    virtual_card.observer = lambda exchange: log.debug("%s", one_line(as_json(exchange)))
    for command in (SELECT_PIV, "0020008008313233343536FFFF", "0020008009313233343536FFFF"):
        virtual_card.transmit(bytes.fromhex(command))
    assert "Try a passcode [VERIFY, P1 00, P2 80]: 9000 done" in caplog.text
    assert "123456" not in caplog.text
    assert "313233" not in caplog.text


def test_every_status_word_has_a_meaning() -> None:
    assert all(meaning(word) != "unknown status" for word in StatusWord)
    assert meaning(0x63C2) == "wrong passcode or none yet, 2 tries left"
    assert meaning(0x6108) == "8 more bytes waiting"
    assert meaning(0x6100) == "256 more bytes waiting"
    assert meaning(0x1234) == "unknown status"
    assert str(StatusError(StatusWord.OBJECT_NOT_FOUND)) == "6A82: not found"
