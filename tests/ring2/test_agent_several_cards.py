"""Two readers, each with a card: one can be used or not, and what was typed for one is never sent to the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Person, Slot
from support.emulator import tries_left_on_disk
from support.machine import wait_until
from support.spine import Spine
from support.two_readers import TwoReaders

from agent import Broker, CardChosen, Cue, Fault, Mode, State


@pytest.fixture
def person(spine: Spine, source: TwoReaders, slots: list[Slot]) -> Iterator[Person]:
    person = Person(source, lambda: Broker(spine.url, spine.ca_file))
    yield person
    source.go.set()
    person.close()


def insert(person: Person, slots: list[Slot], *cards: str) -> None:
    """Put a card into the first reader that is free, and the next into the next."""
    for card in cards:
        number = len(person.conductor.cards)
        slots[number].insert(card)
        person.waits(lambda number=number: len(person.conductor.cards) > number, f"card {number}")  # type: ignore[misc]


def test_one_that_cannot_be_used_is_passed_over(person: Person, slots: list[Slot], source: TwoReaders) -> None:
    source.go.clear()
    insert(person, slots, "token", "one-role")
    source.go.set()
    person.types()
    person.sees(State.SIGNED_IN)
    assert source.readers[1].address in person.attempt.card.reader
    assert State.PROBLEM not in person.states


def test_the_one_that_is_put_in_next_is_read(person: Person, slots: list[Slot]) -> None:
    insert(person, slots, "token")
    assert person.problem().fault is Fault.NO_CERTIFICATE
    insert(person, slots, "one-role")
    person.types()
    person.sees(State.SIGNED_IN)


def test_where_none_can_be_used_it_is_said_which_is_meant(
    person: Person, slots: list[Slot], source: TwoReaders
) -> None:
    source.go.clear()
    insert(person, slots, "token", "token")
    source.go.set()
    for _ in range(2):
        problem = str(person.problem())
        assert f"about the card in {person.attempt.card.reader}" in problem
        person.conductor.handle(Cue.DISMISSED)


def test_a_second_card_changes_nothing_in_a_session(person: Person, slots: list[Slot]) -> None:
    insert(person, slots, "one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    first = person.attempt
    insert(person, slots, "three-roles")
    slots[1].pull()
    person.waits(lambda: len(person.conductor.cards) == 1, "pull of the second")
    assert person.state is State.SIGNED_IN
    assert person.attempt is first


def test_when_the_first_leaves_the_second_begins_anew(person: Person, slots: list[Slot], spine: Spine) -> None:
    insert(person, slots, "one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    insert(person, slots, "three-roles")
    ticket, first = person.session.ticket, person.attempt
    slots[0].pull()
    person.sees(State.PASSCODE)
    assert person.attempt is not first
    assert person.attempt.passcode is person.attempt.signed_in is None
    first.lane.join(5)
    assert spine.is_over(ticket)


def test_a_passcode_typed_for_a_card_that_leaves_is_not_sent_to_the_other(
    person: Person, slots: list[Slot], source: TwoReaders, data: Path
) -> None:
    source.go.clear()
    insert(person, slots, "one-role")
    assert person.conductor.type_passcode("000000")
    insert(person, slots, "three-roles")
    slots[0].pull()
    person.sees(State.READING)
    source.go.set()
    person.sees(State.PASSCODE)
    assert tries_left_on_disk(data / "cards" / "three-roles") == 3
    person.types()
    person.sees(State.CHOOSING_ROLE)


# Where more than one would do, the person is asked.


def asked(person: Person, slots: list[Slot], *cards: str) -> None:
    insert(person, slots, *cards)
    person.sees(State.CHOOSING_CARD)


@pytest.mark.parametrize("number", [0, 1])
def test_the_card_that_is_chosen_is_the_one_that_signs(number: int, person: Person, slots: list[Slot]) -> None:
    asked(person, slots, "one-role", "three-roles")
    card = person.conductor.cards[number]
    uid = person.conductor.owners[card].certificate.uid
    person.conductor.handle(CardChosen(card))
    person.types()
    person.sees(State.SIGNED_IN, State.CHOOSING_ROLE)
    assert person.session.uid == uid
    assert person.attempt.card is card


def test_it_is_asked_as_well_when_a_second_comes_while_a_passcode_is_asked_for(
    person: Person, slots: list[Slot], data: Path
) -> None:
    insert(person, slots, "one-role")
    person.sees(State.PASSCODE)
    insert(person, slots, "three-roles")
    assert not person.conductor.type_passcode("000000")  # whose it is nobody knows yet
    person.sees(State.CHOOSING_CARD)
    assert not person.conductor.type_passcode("000000")
    assert [tries_left_on_disk(data / "cards" / each) for each in ("one-role", "three-roles")] == [3, 3]


def test_a_card_that_cannot_be_used_brings_no_question(person: Person, slots: list[Slot]) -> None:
    insert(person, slots, "one-role")
    person.sees(State.PASSCODE)
    insert(person, slots, "token")
    person.waits(lambda: person.conductor.type_passcode("123456"), "passcode that is taken")
    person.sees(State.SIGNED_IN)
    assert State.CHOOSING_CARD not in person.states


def test_an_expired_card_is_offered_and_then_explained(person: Person, slots: list[Slot]) -> None:
    """Its owner is in front, and is to hear why it does not work."""
    asked(person, slots, "expired", "one-role")
    person.conductor.handle(CardChosen(person.conductor.cards[0]))
    assert person.problem().fault is Fault.CARD_EXPIRED


@pytest.mark.parametrize("leaves", [0, 1])
def test_when_all_but_one_leave_it_is_taken(leaves: int, person: Person, slots: list[Slot]) -> None:
    asked(person, slots, "one-role", "three-roles")
    stays = person.conductor.cards[1 - leaves]
    slots[leaves].pull()
    person.types()
    person.sees(State.SIGNED_IN, State.CHOOSING_ROLE)
    assert person.attempt.card is stays


def test_a_wrong_passcode_is_asked_again_for_the_same_card(person: Person, slots: list[Slot], data: Path) -> None:
    asked(person, slots, "one-role", "three-roles")
    person.conductor.handle(CardChosen(person.conductor.cards[1]))
    for _ in range(2):
        person.types("000000")
    person.types("000000")
    person.sees(State.CONFIRMING)
    person.conductor.handle(Cue.CANCELLED)
    person.sees(State.LAST_TRY)
    assert tries_left_on_disk(data / "cards" / "three-roles") == 1
    assert tries_left_on_disk(data / "cards" / "one-role") == 3


def test_a_card_that_comes_while_the_last_try_is_asked_about_does_not_get_it(
    person: Person, slots: list[Slot], data: Path
) -> None:
    insert(person, slots, "one-role")
    for _ in range(3):
        person.types("000000")
        person.sees(State.PASSCODE, State.LAST_TRY, State.CONFIRMING)
    person.sees(State.CONFIRMING)
    insert(person, slots, "three-roles")
    person.conductor.handle(Cue.CANCELLED)
    assert not person.conductor.type_passcode("000000")
    person.sees(State.CHOOSING_CARD)
    assert tries_left_on_disk(data / "cards" / "three-roles") == 3


def test_the_next_person_is_asked_anew(person: Person, slots: list[Slot]) -> None:
    asked(person, slots, "one-role", "three-roles")
    person.conductor.handle(CardChosen(person.conductor.cards[0]))
    person.types()
    person.sees(State.SIGNED_IN)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.handle(Cue.DISMISSED)
    person.sees(State.CHOOSING_CARD)


def test_whose_a_card_is_is_forgotten_when_it_leaves(person: Person, slots: list[Slot]) -> None:
    asked(person, slots, "one-role", "three-roles")
    for slot in slots:
        slot.pull()
    person.waits(lambda: not person.conductor.cards, "empty readers")
    assert not person.conductor.owners


@pytest.fixture
def keeping(spine: Spine, source: TwoReaders, slots: list[Slot]) -> Iterator[Person]:
    """Somebody at a PC that keeps a session whose card is taken out."""
    person = Person(source, lambda: Broker(spine.url, spine.ca_file), mode=Mode.SESSION_LOCK_PERSISTENCE)
    yield person
    person.close()


def test_a_locked_session_waits_for_its_own_card_whatever_lies_in_the_other_reader(
    keeping: Person, slots: list[Slot]
) -> None:
    insert(keeping, slots, "one-role")
    keeping.types()
    keeping.sees(State.SIGNED_IN)
    ticket = keeping.session.ticket
    insert(keeping, slots, "three-roles")
    slots[0].pull()
    keeping.sees(State.LOCKED)
    slots[0].insert("one-role")
    keeping.types()
    keeping.sees(State.SIGNED_IN)
    assert keeping.session.ticket == ticket
    assert State.CHOOSING_CARD not in keeping.states


# A session that is locked, with a card that does not answer any more, and another card.


def locked_with_a_mute_card(person: Person, slots: list[Slot], source: TwoReaders) -> str:
    """Have the second card read in its place; return the ticket."""
    insert(person, slots, "one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    ticket = person.session.ticket
    insert(person, slots, "three-roles")
    source.mute = source.readers[0]
    person.conductor.lock()
    person.sees(State.CHOOSING_CARD)
    person.conductor.handle(CardChosen(person.conductor.cards[1]))
    person.sees(State.PASSCODE)
    assert source.readers[1].address in person.attempt.card.reader
    return ticket


def test_the_other_card_s_coming_and_going_does_not_end_it(
    person: Person, slots: list[Slot], source: TwoReaders, spine: Spine
) -> None:
    ticket = locked_with_a_mute_card(person, slots, source)
    slots[1].pull()
    person.sees(State.LOCKED)
    assert not spine.is_over(ticket)
    slots[0].pull()
    wait_until(lambda: person.bridge.wait(0.05) or spine.is_over(ticket), what="the end")


def test_its_own_card_s_going_ends_it_and_who_types_goes_on(
    person: Person, slots: list[Slot], source: TwoReaders, spine: Spine
) -> None:
    ticket = locked_with_a_mute_card(person, slots, source)
    slots[0].pull()
    wait_until(lambda: person.bridge.wait(0.05) or person.conductor.locked is None, what="the end of the session here")
    wait_until(lambda: person.bridge.wait(0.05) or spine.is_over(ticket), what="its end at the broker")
    assert person.state is State.PASSCODE
    person.types()
    person.sees(State.CHOOSING_ROLE)
