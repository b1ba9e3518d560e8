"""Broken answers of a card: each gives its own error, and nothing but an AgentError escapes."""

from __future__ import annotations

import gzip
from contextlib import suppress
from typing import Any

import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st
from support.agent import fails
from support.scripted_card import (
    CARD,
    NOW,
    SUCCESS,
    BrokenCard,
    OneCardReader,
    ScriptedCard,
    card_certificate,
    certificate_object,
    read_card,
    tlv,
    use_card,
)

import agent
from agent import AgentError, Fault

DER = card_certificate()
BOMB = gzip.compress(bytes(50 << 20))
SIGNATURE = bytes(256)


def stored(der: bytes, information: int = 0) -> bytes:
    return certificate_object(der, information) + SUCCESS


def renamed(der: bytes) -> bytes:
    """The certificate with its common name's type turned into one that nobody knows (2.5.4.3)."""
    return der.replace(b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x7f")


def unknown_key() -> bytes:
    return DER.replace(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x7f")


def without_serial_number() -> bytes:
    """The certificate with an octet string in the serial number's place."""
    serial = x509.Certificate.load(DER)["tbs_certificate"]["serial_number"].dump()
    return DER.replace(serial, b"\x04" + serial[1:])


BROKEN: dict[str, tuple[Fault, dict[str, Any]]] = {
    # SELECT
    "empty answer": (Fault.CARD_NONSENSE, {"select": b""}),
    "one-byte answer": (Fault.CARD_NONSENSE, {"select": "90"}),
    "SELECT not found": (Fault.CARD_NOT_USABLE, {"select": "6A82"}),
    "SELECT unknown instruction": (Fault.CARD_NOT_USABLE, {"select": "6D00"}),
    "SELECT unknown status word": (Fault.CARD_NOT_USABLE, {"select": "6FAB"}),
    "SELECT blocked": (Fault.CARD_NOT_USABLE, {"select": "6283"}),
    "6Cxx for ever": (Fault.CARD_NOT_USABLE, {"select": "6C10"}),
    "61xx for ever": (Fault.CARD_NONSENSE, {"select": "6100", "more": bytes(255) + b"\x61\xff"}),
    "61xx without data for ever": (Fault.CARD_NONSENSE, {"select": "6100", "more": "61FF"}),
    "61xx and then nothing": (Fault.CARD_NONSENSE, {"select": "6110", "more": "9000"}),
    "61xx and then refused": (Fault.CARD_NONSENSE, {"select": "6110", "more": "6F00"}),
    "61xx and then an empty answer": (Fault.CARD_NONSENSE, {"select": "6110", "more": b""}),
    # How many tries are left
    "no try left": (Fault.CARD_LOCKED, {"tries": "63C0"}),
    "blocked": (Fault.CARD_LOCKED, {"tries": "6983"}),
    "tries in a one-byte answer": (Fault.CARD_NONSENSE, {"tries": "63"}),
    # The certificate
    "no certificate": (Fault.NO_CERTIFICATE, {"certificate": "6A82"}),
    "certificate refused": (Fault.CARD_NONSENSE, {"certificate": "6982"}),
    "certificate unknown status word": (Fault.CARD_NONSENSE, {"certificate": "6AFF"}),
    "certificate with 6Cxx for ever": (Fault.CARD_NONSENSE, {"certificate": "6C00"}),
    "certificate object empty": (Fault.NO_CERTIFICATE, {"certificate": "53009000"}),
    "certificate answer empty": (Fault.NO_CERTIFICATE, {"certificate": "9000"}),
    "another object": (Fault.NO_CERTIFICATE, {"certificate": tlv(0x54, tlv(0x70, DER)) + SUCCESS}),
    "TLV cut short": (Fault.CARD_NONSENSE, {"certificate": stored(DER)[:-9] + SUCCESS}),
    "TLV longer than said": (Fault.CARD_NONSENSE, {"certificate": "53037001AABB9000"}),
    "TLV of indefinite length": (Fault.CARD_NONSENSE, {"certificate": "538070020000" + "9000"}),
    "TLV length of 16 MB": (Fault.CARD_NONSENSE, {"certificate": "5384010000009000"}),
    "TLV without a length": (Fault.CARD_NONSENSE, {"certificate": "53" + "9000"}),
    "duplicate tag": (Fault.CARD_NONSENSE, {"certificate": tlv(0x53, tlv(0x70, DER), tlv(0x70, DER)) + SUCCESS}),
    "certificate of garbage": (Fault.BAD_CERTIFICATE, {"certificate": stored(b"\xa5" * 800)}),
    "certificate cut short": (Fault.BAD_CERTIFICATE, {"certificate": stored(DER[:-1])}),
    "certificate without a name": (Fault.BAD_CERTIFICATE, {"certificate": stored(renamed(DER))}),
    "certificate of an unknown key": (Fault.BAD_CERTIFICATE, {"certificate": stored(unknown_key())}),
    "certificate without a number": (Fault.BAD_CERTIFICATE, {"certificate": stored(without_serial_number())}),
    "gzip bomb": (Fault.BAD_CERTIFICATE, {"certificate": stored(BOMB, 1)}),
    "gzip cut short": (Fault.BAD_CERTIFICATE, {"certificate": stored(gzip.compress(DER)[:-9], 1)}),
    "gzip of garbage": (Fault.BAD_CERTIFICATE, {"certificate": stored(b"\x1f\x8b" + DER, 1)}),
    "Net iD without its zlib": (Fault.BAD_CERTIFICATE, {"certificate": stored(b"\x01\x00\x20\x03", 1)}),
    "Net iD of garbage": (Fault.BAD_CERTIFICATE, {"certificate": stored(b"\x01\x00\x20\x03" + DER, 1)}),
    # The passcode
    "wrong passcode": (Fault.WRONG_PASSCODE, {"verify": "63C2"}),
    "wrong, and locked by it": (Fault.CARD_LOCKED, {"verify": "63C0"}),
    "locked meanwhile": (Fault.CARD_LOCKED, {"verify": "6983"}),
    "wrong, no count": (Fault.WRONG_PASSCODE, {"verify": "6300", "tries": "6300"}),
    "wrong, the count asked for": (Fault.CARD_LOCKED, {"verify": "6300", "tries": ["63C3", "6983"]}),
    "wrong, counted as 630X": (Fault.WRONG_PASSCODE, {"verify": "6301"}),
    "VERIFY without that key": (Fault.CARD_NONSENSE, {"verify": "6A88"}),
    "VERIFY unknown instruction": (Fault.CARD_NONSENSE, {"verify": "6D00"}),
    "VERIFY asks for another length": (Fault.CARD_NONSENSE, {"verify": "6C08"}),
    # The signature
    "signature refused": (Fault.CARD_NONSENSE, {"sign": "6982"}),
    "chaining refused": (Fault.CARD_NONSENSE, {"chained": "6884"}),
    "chaining answered with nothing": (Fault.CARD_NONSENSE, {"chained": b""}),
    "no signature": (Fault.CARD_NONSENSE, {"sign": "9000"}),
    "signature without 7C": (Fault.CARD_NONSENSE, {"sign": tlv(0x82, SIGNATURE) + SUCCESS}),
    "7C without signature": (Fault.CARD_NONSENSE, {"sign": tlv(0x7C, tlv(0x81, SIGNATURE)) + SUCCESS}),
    "signature too short": (Fault.CARD_NONSENSE, {"sign": tlv(0x7C, tlv(0x82, bytes(255))) + SUCCESS}),
    "signature too long": (Fault.CARD_NONSENSE, {"sign": tlv(0x7C, tlv(0x82, bytes(257))) + SUCCESS}),
    "signature empty": (Fault.CARD_NONSENSE, {"sign": "7C0282009000"}),
    "two signatures": (Fault.CARD_NONSENSE, {"sign": tlv(0x7C, tlv(0x82, SIGNATURE), tlv(0x82, SIGNATURE)) + SUCCESS}),
    "signature cut short": (Fault.CARD_NONSENSE, {"sign": tlv(0x7C, tlv(0x82, SIGNATURE))[:-1] + SUCCESS}),
    "signature of 61xx for ever": (Fault.CARD_NONSENSE, {"sign": "6100", "more": bytes(99) + b"\x61\0"}),
    # The card itself
    "removed before the certificate": (Fault.CARD_REMOVED, {"certificate": AgentError(Fault.CARD_REMOVED)}),
    "removed with the passcode shown": (Fault.CARD_REMOVED, {"sign": AgentError(Fault.CARD_REMOVED)}),
    "odd Discovery object": (Fault.WRONG_PASSCODE, {"discovery": "7E125F9000", "verify": "63C2"}),
    "mute when asked to sign": (Fault.CARD_MUTE, {"sign": AgentError(Fault.CARD_MUTE)}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_answer_gives_its_error(name: str) -> None:
    expected, answers = BROKEN[name]
    with fails(expected) as caught:
        use_card(BrokenCard(**answers))
    assert "123456" not in caught.value.technical


def test_twenty_kinds_at_least() -> None:
    assert len(BROKEN) >= 20


def test_the_good_card_is_good() -> None:
    assert use_card(BrokenCard()) == SIGNATURE


STATUS_WORDS = st.sampled_from(
    [bytes.fromhex(word) for word in ("9000", "6110", "61FF", "6C10", "63C2", "6983", "6A82", "")]
)
SOME_TLV = st.recursive(
    st.binary(max_size=40), lambda inner: st.builds(tlv, st.sampled_from([0x53, 0x70, 0x71, 0x7C, 0x82]), inner)
)
ANSWERS = st.lists(
    st.one_of(st.binary(max_size=300), st.builds(lambda a, b: a + b, SOME_TLV, STATUS_WORDS)), min_size=1, max_size=4
)
STEPS = st.sampled_from(["select", "tries", "certificate", "verify", "chained", "sign", "more"])


@given(st.dictionaries(STEPS, ANSWERS, min_size=1))
def test_random_answers_raise_nothing_but_agent_errors(answers: dict[str, Any]) -> None:
    with suppress(AgentError):
        use_card(BrokenCard(**answers))


@given(st.lists(st.binary(max_size=300), min_size=1))
def test_random_bytes_raise_nothing_but_agent_errors(answers: list[bytes]) -> None:
    with suppress(AgentError):
        use_card(ScriptedCard(*answers, *[b"\x6f\x00"] * 20))


@given(st.integers(0, len(DER) - 1), st.binary(min_size=1, max_size=4))
def test_a_damaged_certificate_raises_nothing_but_agent_errors(at: int, damage: bytes) -> None:
    damaged = DER[:at] + damage + DER[at + len(damage) :]
    with suppress(AgentError):
        card = BrokenCard(certificate=stored(damaged))
        facts = read_card(OneCardReader(card), CARD, NOW)
        agent.signed_data(agent.unsigned_data(b"challenge", agent.Digest.SHA256, facts.certificate), SIGNATURE)
