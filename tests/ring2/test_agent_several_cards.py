"""Two readers, each with a card: one can be used or not, and what was typed for one is never sent to the other."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Person, Slot
from support.emulator import tries_left_on_disk
from support.spine import Spine

from agent import Broker, CardIn, Cue, Fault, IdentityCard, Report, State
from demo import EmbeddedReader


class TwoReaders:
    """Two embedded readers as one source of cards; nothing is read while `go` is not set."""

    def __init__(self) -> None:
        self.readers = EmbeddedReader(0), EmbeddedReader(0)
        self.go = threading.Event()
        self.go.set()

    def watch(self, report: Report) -> None:
        threading.Thread(target=self.readers[1].watch, args=(report,), daemon=True).start()
        self.readers[0].watch(report)

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        self.go.wait(10)
        (reader,) = (each for each in self.readers if each.address in card.reader)
        with reader.open(card) as identity:
            yield identity

    def release(self) -> None:
        for reader in self.readers:
            reader.release()

    def close(self) -> None:
        for reader in self.readers:
            reader.close()


@pytest.fixture
def source() -> Iterator[TwoReaders]:
    source = TwoReaders()
    yield source
    source.go.set()
    source.close()


@pytest.fixture
def slots(data: Path, source: TwoReaders) -> Iterator[list[Slot]]:
    """The way into the first and the second reader. The card `token` is one without a certificate."""
    token = shutil.copytree(data / "cards" / "no-role", data / "cards" / "token")
    for each in token.glob("9*.pem"):
        each.unlink()
    slots = [Slot(data, reader.address) for reader in source.readers]
    yield slots
    for slot in slots:
        slot.close()


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


def test_a_second_card_changes_nothing(person: Person, slots: list[Slot]) -> None:
    insert(person, slots, "one-role")
    person.sees(State.PASSCODE)
    first = person.attempt
    insert(person, slots, "three-roles")
    person.types()
    person.sees(State.SIGNED_IN)
    slots[1].pull()
    person.waits(lambda: len(person.conductor.cards) == 1, "pull of the second")
    assert person.state is State.SIGNED_IN
    assert person.attempt is first


def test_when_the_first_leaves_the_second_begins_anew(person: Person, slots: list[Slot], spine: Spine) -> None:
    insert(person, slots, "one-role", "three-roles")
    person.types()
    person.sees(State.SIGNED_IN)
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


def test_a_passcode_is_not_taken_while_it_is_not_known_whose_it_would_be(
    person: Person, slots: list[Slot], source: TwoReaders
) -> None:
    source.go.clear()
    insert(person, slots, "one-role", "three-roles")
    assert not person.conductor.type_passcode("123456")
    source.go.set()
    person.sees(State.PASSCODE)
    assert person.conductor.type_passcode("123456")
    person.sees(State.SIGNED_IN)
