"""A card that was swapped so fast that the smartcard service did not see it: it never gets the other one's passcode."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from support.agent import Person, fails
from support.emulator import UID, card_keys, self_signed
from support.lying_broker import LyingBroker, activation
from support.scripted_card import (
    SUCCESS,
    BrokenCard,
    OneCardReader,
    ScriptedCard,
    card_certificate,
    certificate_object,
    step_of,
    tlv,
)

from agent import AgentError, Broker, Certificate, Fault, Passcode, PivCard, State, unblock

MINE = certificate_object(card_certificate()) + SUCCESS
OTHERS = certificate_object(self_signed(UID, card_keys()["9C"]).public_bytes(Encoding.DER)) + SUCCESS
COMPRESSED = tlv(0x53, tlv(0x70, gzip.compress(card_certificate())), tlv(0x71, b"\x01")) + SUCCESS


def shown(card: BrokenCard) -> int:
    """How often the card was shown a passcode."""
    return [step_of(apdu) for apdu in card.sent].count("verify")


At = Callable[[BrokenCard], Person]


@pytest.fixture
def at(lying_broker: LyingBroker, ca_file: Path) -> Iterator[At]:
    """Puts somebody in front of a reader with this card."""
    lying_broker.lies["authactivate"] = activation()
    people: list[Person] = []

    def at(card: BrokenCard) -> Person:
        people.append(Person(OneCardReader(card), lambda: Broker(lying_broker.url, ca_file)))
        people[0].sees(State.PASSCODE)
        return people[0]

    yield at
    for person in people:
        person.close()


def test_one_in_the_place_of_the_one_that_was_read(at: At) -> None:
    card = BrokenCard(certificate=[MINE, OTHERS])
    person = at(card)
    person.types()
    assert person.problem().fault is Fault.CARD_NONSENSE
    assert not shown(card)


def test_one_in_the_place_of_the_one_that_took_no_passcode(at: At) -> None:
    card = BrokenCard(certificate=[MINE, MINE, OTHERS], verify="63C2")
    person = at(card)
    person.types("000000")
    person.waits(lambda: person.conductor.problem, "wrong passcode")
    person.types()
    assert person.problem().fault is Fault.CARD_NONSENSE
    assert shown(card) == 1


@pytest.mark.parametrize("does", [PivCard.change_passcode, PivCard.unblock, unblock])
def test_one_that_was_to_have_a_new_passcode(does: Callable[[Any, Passcode, Passcode], None], at: At) -> None:
    card, told = BrokenCard(certificate=[MINE, OTHERS]), list[object]()
    person = at(card)
    person.conductor.use_card(lambda card: does(card, Passcode("123456"), Passcode("802917")), told.append)
    (outcome,) = person.waits(lambda: told, "outcome")
    assert isinstance(outcome, AgentError)
    assert outcome.fault is Fault.CARD_NONSENSE
    assert "replace" not in [step_of(apdu) for apdu in card.sent]


def recognise(*answers: str | bytes) -> ScriptedCard:
    """Have a card that gives these answers recognised as the one that was read."""
    card = ScriptedCard(*answers)
    piv = PivCard(card, clock=lambda: 0.0)
    piv._ends = 1.0
    piv.recognise(Certificate.parse(card_certificate()))
    return card


@pytest.mark.parametrize(
    "answers",
    [
        [MINE[:256] + b"\x61\x00"],  # the first piece says enough
        ["6100", MINE[:256] + b"\x61\x00"],  # by the protocol T=0
        [MINE[:100] + b"\x61\x00", MINE[:100] + b"\x61\x00", MINE[100:]],
        [COMPRESSED, COMPRESSED],
    ],
    ids=["pieces", "T=0", "small pieces", "compressed"],
)
def test_the_same_card_is_recognised_in_as_few_answers_as_it_takes(answers: list[str | bytes]) -> None:
    assert len(recognise(*answers).sent) == len(answers)


@pytest.mark.parametrize("answers", [[OTHERS[:256] + b"\x61\x00", OTHERS], ["6A82", "6A82"]], ids=["another", "empty"])
def test_another_card_is_not(answers: list[str | bytes]) -> None:
    with fails(Fault.CARD_NONSENSE, Fault.NO_CERTIFICATE):
        recognise(*answers)
