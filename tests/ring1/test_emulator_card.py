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

from emulator import Card, VirtualCard
from emulator.iso7816.status_words import StatusError, StatusWord, meaning
from emulator.service.describe import Exchange, blanked, in_words

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
    assert not virtual_card.state.pending


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
    assert all(str(exchange) and exchange.as_json() for exchange in heard)


@pytest.mark.logs_errors("a fault in the card itself is put there on purpose")
def test_a_fault_of_our_own_is_an_answer_too(virtual_card: VirtualCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(virtual_card.card, "keys")
    assert virtual_card.transmit(bytes.fromhex(SELECT_PIV)) == StatusWord.INTERNAL_ERROR.octets


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (SELECT_PIV, "SELECT PIV"),
        ("00A4040006A00000000101", "SELECT application A00000000101"),
        ("00CB3FFF055C035FC105 00", "GET DATA CERTIFICATE 9A"),
        ("00CB3FFF055C035FFF01 00", "GET DATA object 5FFF01"),
        ("00CB3FFF025300 00", "GET DATA of an unreadable tag list"),
        ("0020008008313233343536FFFF", "VERIFY passcode"),
        ("00200080", "VERIFY status"),
        ("0020FF80", "VERIFY forget"),
        ("1087079A027C00", "GENERAL AUTHENTICATE RSA 2048 with key 9A, 2 bytes, to be continued"),
        ("00C0000000", "GET RESPONSE"),
        ("00CADF3005", "INS CA P1 DF P2 30, 0 bytes"),
        ("00", "malformed command of 1 bytes"),
    ],
)
def test_words(command: str, words: str) -> None:
    assert in_words(bytes.fromhex(command)) == words


@pytest.mark.parametrize("instruction", ["20", "24", "2C", "FE", "FF"])
@pytest.mark.parametrize("start", ["00{}008008", "10{}008008", "0C{}008000", "FF{}"])
def test_a_passcode_is_never_shown(start: str, instruction: str) -> None:
    raw = bytes.fromhex(start.format(instruction)) + b"123456\xff\xff"
    exchange = Exchange(raw, b"\x90\x00", 0.1)
    for shown in (blanked(raw), str(exchange), repr(exchange), str(exchange.as_json())):
        assert "123456" not in shown
        assert "31 32 33" not in shown


def test_the_log_at_debug_holds_no_passcode(virtual_card: VirtualCard, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("emulator")
    caplog.set_level(1)
    virtual_card.observer = lambda exchange: log.debug("%s", exchange)
    for command in (SELECT_PIV, "0020008008313233343536FFFF", "0020008009313233343536FFFF"):
        virtual_card.transmit(bytes.fromhex(command))
    assert "VERIFY passcode: 9000 done" in caplog.text
    assert "123456" not in caplog.text
    assert "313233" not in caplog.text


def test_every_status_word_has_a_meaning() -> None:
    assert all(meaning(word) != "unknown status" for word in StatusWord)
    assert meaning(0x63C2) == "wrong passcode or none yet, 2 tries left"
    assert meaning(0x6108) == "8 more bytes waiting"
    assert meaning(0x6100) == "256 more bytes waiting"
    assert meaning(0x1234) == "unknown status"
    assert str(StatusError(StatusWord.OBJECT_NOT_FOUND)) == "6A82: not found"
