"""The card is pulled at any moment: the session is over, and within a second nothing is left."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.agent import HeldBroker, Person, Slot
from support.machine import wait_until
from support.spine import Spine

from agent import CardFacts, CardIn, Cue, IdentityCard, State
from demo import EmbeddedReader


class Several:
    """A card with a second certificate that would do, as tokens can have."""

    def __init__(self, card: IdentityCard) -> None:
        self._card = card

    def facts(self) -> CardFacts:
        facts = self._card.facts()
        return dataclasses.replace(facts, others=(facts.certificate,))


class HeldReader(EmbeddedReader):
    """An embedded reader whose card takes its time before it is read, while `held`."""

    has_several = False

    def __init__(self) -> None:
        super().__init__(0)
        self.go = threading.Event()
        self.go.set()

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        self.go.wait(10)
        with super().open(card) as identity:
            several: Any = Several(identity)
            yield several if self.has_several else identity


class Desk:
    """A person, a card and a broker; whatever is held goes on when `let_go` is called."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.reader = HeldReader()
        self.slot = Slot(spine.data, self.reader.address)
        self.brokers: list[HeldBroker] = []
        self.held = ""
        self.person = Person(self.reader, self._new_broker)

    def _new_broker(self) -> HeldBroker:
        self.brokers.append(HeldBroker(self.spine, self.held))
        return self.brokers[-1]

    @property
    def tickets(self) -> list[str]:
        return [ticket for broker in self.brokers for ticket in broker.tickets]

    def insert(self, card: str = "three-roles", held: str = "") -> None:
        self.held = held
        if held == "card":
            self.reader.go.clear()
        self.slot.insert(card)

    def let_go(self) -> None:
        self.reader.go.set()
        for broker in self.brokers:
            broker.go.set()

    def close(self) -> None:
        self.let_go()
        self.person.close()
        self.slot.close()


@pytest.fixture
def desk(spine: Spine) -> Iterator[Desk]:
    desk = Desk(spine)
    yield desk
    desk.close()


def reading(desk: Desk) -> None:
    desk.insert(held="card")
    desk.person.sees(State.READING)


def reading_typed(desk: Desk) -> None:
    reading(desk)
    desk.person.conductor.type_passcode("123456")


def choosing_certificate(desk: Desk) -> None:
    desk.reader.has_several = True
    desk.insert()
    desk.person.sees(State.CHOOSING_CERTIFICATE)


def passcode(desk: Desk) -> None:
    desk.insert()
    desk.person.sees(State.PASSCODE)


def last_try(desk: Desk) -> None:
    desk.insert("one-role")
    for _ in range(2):
        desk.person.types("000000")
        desk.person.waits(lambda: desk.person.attempt.passcode is None, "answer of the card")


def confirming(desk: Desk) -> None:
    last_try(desk)
    desk.person.types("000000")


def signing_in_challenge(desk: Desk) -> None:
    desk.insert(held="activate")
    desk.person.types()


def signing_in_validated(desk: Desk) -> None:
    """The broker has opened a session, and the agent does not know of it yet."""
    desk.insert(held="validate")
    desk.person.types()
    assert desk.brokers[0].reached.wait(10)


def choosing_role(desk: Desk) -> None:
    desk.insert()
    desk.person.types()
    desk.person.sees(State.CHOOSING_ROLE)


def selecting_role(desk: Desk) -> None:
    desk.insert("one-role", held="select_role")
    desk.person.types()
    desk.person.sees(State.SELECTING_ROLE)
    assert desk.brokers[0].reached.wait(10)


def signed_in(desk: Desk) -> None:
    desk.insert("one-role")
    desk.person.types()
    desk.person.sees(State.SIGNED_IN)


def signed_out(desk: Desk) -> None:
    signed_in(desk)
    desk.person.conductor.handle(Cue.LOG_OUT)


def problem(desk: Desk) -> None:
    desk.insert("expired")
    desk.person.sees(State.PROBLEM)


MOMENTS: dict[Callable[[Desk], None], State] = {
    reading: State.READING,
    reading_typed: State.READING_TYPED,
    choosing_certificate: State.CHOOSING_CERTIFICATE,
    passcode: State.PASSCODE,
    last_try: State.LAST_TRY,
    confirming: State.CONFIRMING,
    signing_in_challenge: State.SIGNING_IN,
    signing_in_validated: State.SIGNING_IN,
    choosing_role: State.CHOOSING_ROLE,
    selecting_role: State.SELECTING_ROLE,
    signed_in: State.SIGNED_IN,
    signed_out: State.SIGNED_OUT,
    problem: State.PROBLEM,
}


def test_there_is_a_moment_for_every_state_with_a_card() -> None:
    elsewhere = State.CHOOSING_CARD  # of several: test_agent_several_cards.py
    assert set(MOMENTS.values()) == set(State) - {State.NO_READER, State.WAITING, State.LOCKED, elsewhere}


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_pulled_at_any_moment(moment: Callable[[Desk], None], desk: Desk) -> None:
    moment(desk)
    assert desk.person.state is MOMENTS[moment]
    attempt = desk.person.attempt if desk.person.conductor.attempt else None
    desk.slot.pull()
    desk.person.sees(State.WAITING, deadline=5)  # and not when what it was busy with has ended
    assert desk.person.conductor.attempt is None
    desk.let_go()
    if attempt:
        assert attempt.passcode is None
        attempt.lane.join(5)
        assert attempt.broker.open_session is None
    desk.person.bridge.run_pending()  # whatever came too late
    assert desk.person.state is State.WAITING
    wait_until(lambda: all(desk.spine.is_over(ticket) for ticket in desk.tickets), what="the log-out")
    assert len(desk.tickets) == (moment in WITH_TICKET)


WITH_TICKET = {signing_in_validated, choosing_role, selecting_role, signed_in, signed_out}


def test_the_next_person_gets_nothing_of_the_last(desk: Desk) -> None:
    signed_in(desk)
    first = desk.person.attempt
    desk.insert("three-roles")  # the emulator pulls the card that is in
    desk.person.sees(State.PASSCODE)
    second = desk.person.attempt
    assert second is not first
    assert second.signed_in is None
    assert second.broker is not first.broker
    first.lane.join(5)
    assert desk.spine.is_over(desk.tickets[0])


@pytest.mark.parametrize("held", ["activate", "validate"])
def test_a_slow_broker_that_is_cancelled_does_not_hold_up_the_next_attempt(held: str, desk: Desk) -> None:
    desk.insert("one-role", held=held)
    desk.person.types()
    assert desk.brokers[0].reached.wait(10)
    desk.held = ""
    slow = desk.person.attempt
    desk.person.conductor.handle(Cue.CANCELLED)
    assert desk.person.conductor.attempt is not slow
    desk.person.types()
    desk.person.sees(State.SIGNED_IN)
    assert slow.lane.is_alive()
    mine = desk.person.session.ticket
    desk.let_go()
    slow.lane.join(5)
    desk.person.bridge.run_pending()
    assert desk.person.state is State.SIGNED_IN
    assert not desk.spine.is_over(mine)
    assert all(desk.spine.is_over(ticket) for ticket in desk.tickets if ticket != mine)
    assert len(desk.tickets) == 1 + (held == "validate")


def test_closing_the_agent_ends_the_session(desk: Desk) -> None:
    signed_in(desk)
    desk.person.conductor.close()
    assert desk.spine.is_over(desk.tickets[0])


def test_a_broker_that_hangs_does_not_keep_the_agent_from_closing(desk: Desk) -> None:
    signing_in_challenge(desk)
    started = time.monotonic()
    desk.person.conductor.close(seconds=0.2)
    assert time.monotonic() - started < 2


def test_a_passcode_typed_while_the_card_is_read_is_used(desk: Desk) -> None:
    desk.insert("one-role", held="card")
    desk.person.sees(State.READING)
    desk.person.conductor.type_passcode("123456")
    desk.let_go()
    desk.person.sees(State.SIGNED_IN)
    assert State.PASSCODE not in desk.person.states
