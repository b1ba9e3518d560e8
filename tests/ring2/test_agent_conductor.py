"""A sign-in with the real virtual card and the real stand-in for the broker, in process."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto.cms import ContentInfo
from support.agent import Hands, Person, Slot, fails
from support.emulator import send, tries_left_on_disk
from support.machine import wait_until
from support.spine import Spine, SpineFactory
from support.spine_client import reason

import agent
from agent import Broker, Certificate, Cue, Digest, Fault, RoleChosen, State, unsigned_data
from demo import EmbeddedReader


def set_tries_left(data: Path, card: str, tries: int) -> None:
    path = data / "cards" / card / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tries_left": tries}))


# Each of the nine cards does what its name promises


@pytest.mark.parametrize(("card", "roles"), [("three-roles", 3), ("forty-roles", 40)])
def test_several_roles_are_a_choice(card: str, roles: int, person: Person, slot: Slot, spine: Spine) -> None:
    slot.insert(card)
    person.types()
    person.sees(State.CHOOSING_ROLE)
    assert len(person.session.roles) == roles
    second = person.session.roles[1]
    person.conductor.handle(RoleChosen(second))
    person.sees(State.SIGNED_IN)
    assert person.conductor.signed_in().role == second
    reply = spine.client().get("/saml/RoleAssertion", token=person.session.ticket)
    assert reason(reply) is None
    assert second.id in reply.text


def test_one_role_is_chosen_at_once(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    assert [person.conductor.signed_in().role] == list(person.session.roles)
    assert State.SELECTING_ROLE in person.states


def test_no_role_signs_in_all_the_same(person: Person, slot: Slot) -> None:
    slot.insert("no-role")
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.conductor.signed_in().role is None
    assert person.session.roles == ()


def test_an_expiring_card_signs_in_and_says_so(person: Person, slot: Slot) -> None:
    slot.insert("expiring")
    person.types()
    person.sees(State.SIGNED_IN, State.CHOOSING_ROLE)
    facts = person.attempt.facts
    assert facts
    assert "expires in 1" in agent.describe_expiry(facts.certificate, datetime.now(UTC))


@pytest.mark.parametrize(("card", "expected"), [("expired", Fault.CARD_EXPIRED), ("locked", Fault.CARD_LOCKED)])
def test_a_card_that_is_no_use_says_so_before_a_passcode(
    card: str, expected: Fault, person: Person, slot: Slot, data: Path
) -> None:
    before = tries_left_on_disk(data / "cards" / card)
    slot.insert(card)
    assert person.problem().fault is expected
    person.conductor.type_passcode("123456")
    assert person.state is State.PROBLEM
    assert tries_left_on_disk(data / "cards" / card) == before


def test_a_revoked_card_is_refused_by_the_broker(person: Person, slot: Slot) -> None:
    slot.insert("revoked")
    person.types()
    problem = person.problem()
    assert problem.fault is Fault.BROKER_REFUSED
    assert "revoked" in problem.technical


def test_the_signed_message_is_made_while_the_person_types(
    person: Person, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []

    def make(message: bytes, digest: Digest, certificate: Certificate) -> ContentInfo:
        made.append(message)
        return unsigned_data(message, digest, certificate)

    monkeypatch.setattr(agent, "unsigned_data", make)
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    wait_until(lambda: made, what="a message")
    person.types()
    person.sees(State.SIGNED_IN)
    assert len(made) == 1


# The passcode


def test_a_wrong_passcode_leaves_everything_else_as_it_was(person: Person, slot: Slot, data: Path) -> None:
    slot.insert("one-role")
    person.types("000000")
    person.waits(lambda: person.conductor.problem, "problem")
    assert "2 tries left" in str(person.conductor.problem)
    assert person.state is State.PASSCODE
    attempt, challenge = person.attempt, person.attempt.prefetched
    assert attempt.passcode is None
    assert tries_left_on_disk(data / "cards" / "one-role") == 2
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.attempt is attempt
    assert challenge


def test_the_last_try_is_asked_about_before_it_is_spent(person: Person, slot: Slot, data: Path) -> None:
    card = data / "cards" / "one-role"
    slot.insert("one-role")
    for _ in range(2):
        person.types("000000")
        person.waits(lambda: person.attempt.passcode is None, "answer of the card")
    person.types("111111")
    assert person.sees(State.CONFIRMING, State.LAST_TRY) is State.CONFIRMING
    assert tries_left_on_disk(card) == 1
    person.conductor.handle(Cue.CANCELLED)
    assert person.state is State.LAST_TRY
    assert person.attempt.passcode is None
    assert tries_left_on_disk(card) == 1
    person.types("111111")
    person.conductor.handle(Cue.CONFIRMED)
    assert person.problem().fault is Fault.CARD_LOCKED
    assert tries_left_on_disk(card) == 0


def test_a_right_last_try_signs_in(person: Person, slot: Slot, data: Path) -> None:
    set_tries_left(data, "one-role", 1)
    slot.insert("one-role")
    person.types()
    person.sees(State.CONFIRMING)
    person.conductor.handle(Cue.CONFIRMED)
    person.sees(State.SIGNED_IN)
    assert tries_left_on_disk(data / "cards" / "one-role") == 3


@pytest.mark.parametrize("text", ["", "123456789", "passcod\u00e9"])
def test_what_cannot_be_a_passcode_costs_nothing(text: str, person: Person, slot: Slot, data: Path) -> None:
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    with fails(agent.Fault.NO_PASSCODE):
        person.conductor.type_passcode(text)
    assert person.state is State.PASSCODE
    assert tries_left_on_disk(data / "cards" / "one-role") == 3


def test_the_card_is_locked_again_after_use(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    if person.attempt.passcode:
        with fails(agent.Fault.NO_PASSCODE):
            person.attempt.passcode.padded()
    person.waits(lambda: not slot.card.state.passcode_verified, "card that was reset")
    assert send(slot.card, "00A4040005A00000030800")[1] == "9000"
    assert send(slot.card, "0087079A067C048200810000")[1] == "6982"


# The end of a session


@pytest.mark.parametrize(
    ("card", "state", "longest", "idle", "expected"),
    [
        ("one-role", State.SIGNED_IN, 10, 30, Fault.TIME_UP),
        ("one-role", State.SIGNED_IN, 30, 10, Fault.IDLE_TOO_LONG),
        ("three-roles", State.CHOOSING_ROLE, 30, 10, Fault.IDLE_TOO_LONG),
    ],
)
def test_either_limit_ends_the_session_even_if_the_pc_slept_through_it(
    card: str,
    state: State,
    longest: int,
    idle: int,
    expected: Fault,
    spine_factory: SpineFactory,
    reader: EmbeddedReader,
    slot: Slot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent, "CHECK_TIME_SECONDS", 0.01)
    spine = spine_factory(max_session=timedelta(minutes=longest), idle=timedelta(minutes=idle))
    clock = Hands()
    person = Person(reader, lambda: Broker(spine.url, spine.ca_file), clock=clock)
    slot.insert(card)
    person.types()
    person.sees(state)
    ticket, attempt = person.session.ticket, person.attempt
    assert person.conductor.seconds_left() == 600
    clock.now += 599
    assert person.conductor.seconds_left() == 1
    clock.now += 1
    assert person.problem().fault is expected
    attempt.lane.join(5)
    assert spine.is_over(ticket)
    person.close()


def test_log_out_ends_it_and_the_card_may_stay(person: Person, slot: Slot, spine: Spine) -> None:
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    ticket, attempt = person.session.ticket, person.attempt
    person.conductor.handle(Cue.LOG_OUT)
    assert person.state is State.SIGNED_OUT
    attempt.lane.join(5)
    assert spine.is_over(ticket)
    person.conductor.handle(Cue.DISMISSED)
    person.types()
    person.sees(State.SIGNED_IN)


def test_a_sha_1_card_of_old(spine_factory: SpineFactory, reader: EmbeddedReader, slot: Slot) -> None:
    spine = spine_factory(allow_sha1=True)
    person = Person(reader, lambda: Broker(spine.url, spine.ca_file), Digest.SHA1)
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    person.close()


def test_where_the_broker_is_gone_no_try_is_spent(spine: Spine, reader: EmbeddedReader, slot: Slot, data: Path) -> None:
    person = Person(reader, lambda: Broker("https://127.0.0.1:9", spine.ca_file))
    slot.insert("one-role")
    person.types("000000")
    assert person.problem().fault is Fault.UNREACHABLE
    assert tries_left_on_disk(data / "cards" / "one-role") == 3
    person.close()
