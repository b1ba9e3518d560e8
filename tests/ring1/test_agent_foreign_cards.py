"""A card that is no NHS smartcard: what it is, as far as its ATR and its applications say, and what to do."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from support.agent import fails
from support.emulator import card_keys, self_signed
from support.scripted_card import SUCCESS, BrokenCard, certificate_object

import agent
from agent import FOREIGN_APPLICATIONS, AgentError, CardIn, Fault, PivCard

NOT_FOUND = bytes.fromhex("6A82")


class Foreign:
    """Has these applications and nothing else; `other` is what it answers to all that it does not know."""

    def __init__(self, *applications: bytes, other: bytes = NOT_FOUND) -> None:
        self._applications, self._other = applications, other
        self.sent: list[bytes] = []

    def transmit(self, apdu: bytearray) -> bytes:
        self.sent.append(bytes(apdu))
        is_known = apdu[1] == 0xA4 and bytes(apdu[5 : 5 + apdu[4]]) in self._applications
        return b"\x6f\x00" + SUCCESS if is_known else self._other


def refused(card: Foreign, atr: str = "3B00") -> AgentError:
    with fails(Fault.CARD_NOT_USABLE) as caught:
        PivCard(card, atr=bytes.fromhex(atr)).select()
    return caught.value


@pytest.mark.parametrize(
    ("application", "says"),
    [
        (b"2PAY.SYS.DDF01", "bank card"),
        (b"1PAY.SYS.DDF01", "bank card"),
        (bytes.fromhex("A0000000871002"), "SIM card"),
        (bytes.fromhex("A0000002471001"), "passport"),
        (bytes.fromhex("D2760000850101"), "door pass"),
        (bytes.fromhex("A0000006472F0001"), "security key"),
        (bytes.fromhex("D27600012401"), "OpenPGP"),
    ],
)
def test_a_card_is_told_by_the_application_that_it_has(application: bytes, says: str) -> None:
    error = refused(Foreign(application))
    assert says in error.says
    assert error.advice == "Take it out, and put your NHS smartcard in."


def test_a_pass_with_a_memory_only_is_told_by_its_atr_and_not_asked_further() -> None:
    card = Foreign()
    assert "door pass" in refused(card, "3B8F8001804F0CA000000306030001000000006A").says
    assert len(card.sent) == 1


def test_an_nhs_smartcard_of_an_old_series_is_told_by_its_atr() -> None:
    error = refused(Foreign(), "3BF91800008131FE454A434F503431563232AF")
    assert "series 5 or 6" in error.says
    assert "Ask your local smartcard team for a new one." in error.advice


@pytest.mark.parametrize("other", [NOT_FOUND, b"\x6e\x00", b"\x6d\x00", b"\x62\x83"])
def test_of_any_other_card_the_service_desk_gets_the_atr(other: bytes) -> None:
    error = refused(Foreign(other=other), "3B6500002063CBBD80")
    assert (error.says, error.advice) == (Fault.CARD_NOT_USABLE.says, Fault.CARD_NOT_USABLE.advice)
    assert "ATR 3B 65 00 00 20 63 CB BD 80" in error.technical


def test_each_is_asked_for_once_and_no_passcode_is_shown() -> None:
    card = Foreign()
    refused(card)
    assert [apdu[1] for apdu in card.sent] == [0xA4] * (1 + len(FOREIGN_APPLICATIONS))


def test_a_card_that_talks_nonsense_when_it_is_asked_what_it_is_is_an_error_of_ours() -> None:
    with fails(Fault.CARD_NONSENSE):
        PivCard(BrokenCard(select=[NOT_FOUND, b"\x90"])).select()


def test_the_questions_end_with_the_time_for_one_operation() -> None:
    ticks = iter(range(0, 1000, agent.CARD_OPERATION_SECONDS // 4))
    with fails(Fault.CARD_MUTE):
        PivCard(Foreign(), clock=lambda: next(ticks)).select()


def test_a_piv_card_of_somebody_else_is_said_to_be_one() -> None:
    der = self_signed("Alice\nExample", card_keys()["9A"]).public_bytes(Encoding.DER)
    card = PivCard(BrokenCard(certificate=certificate_object(der) + SUCCESS))
    card.select()
    with fails(Fault.CARD_NOT_USABLE) as caught:
        card.facts()
    assert caught.value.says == "This is not an NHS smartcard: it is in the name of Alice Example."


@pytest.mark.parametrize(
    ("reader", "atr", "is_held_on"),
    [
        ("OMNIKEY 5422CL Smartcard Reader 00 00", "3B65", True),
        ("Identiv uTrust 3700 F CL Reader", "3B65", True),
        ("ACS ACR1252 Dual Reader PICC 00 00", "3B65", True),
        ("ACS ACR1252 NFC", "3B65", True),
        ("Gemalto PC Twin Reader", "3B8080010101", True),
        ("Gemalto PC Twin Reader", "3B8F8001804F0CA000000306", True),
        ("Gemalto PC Twin Reader", "3B80", False),
        ("Gemalto PC Twin Reader", "", False),
        ("CLOUD 2700 R Smart Card Reader", "3BF91800008131FE", False),
    ],
)
def test_a_contactless_card_is_known_by_its_reader_or_its_atr(reader: str, atr: str, is_held_on: bool) -> None:
    assert CardIn(reader, bytes.fromhex(atr)).is_held_on == is_held_on
