"""Sessions that wait while others use the PC: who parks them, who gets them back, and how they end."""

from __future__ import annotations

import threading

import pytest
from support.kept import Start

import agent
from agent import AgentError, Cue, Fault, Mode, State


def test_another_person_s_card_parks_it_and_each_gets_their_own_back(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    first = person.signs_in("one-role")
    person.pulls(State.LOCKED)
    second = person.signs_in("no-role")
    assert second != first
    person.pulls(State.LOCKED)
    assert person.signs_in("one-role") == first
    person.pulls(State.LOCKED)
    assert person.signs_in("no-role") == second
    assert not person.spine.is_over(first)
    parked = ["locked card_out", "locked parked"]
    assert person.told() == ["signed_in", *parked, "signed_in", *parked, "resumed", *parked, "resumed"]


@pytest.mark.parametrize("most", [0, 3])
def test_a_stranger_s_card_alone_ends_and_parks_nothing(start: Start, most: int) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE, parked_sessions=most)
    ticket = person.signs_in("one-role")
    person.pulls(State.LOCKED)
    person.slot.insert("no-role")
    person.types("000000")
    person.waits(lambda: person.conductor.problem, "wrong passcode")
    person.pulls(State.LOCKED)
    assert person.told() == ["signed_in", "locked card_out"]
    assert person.signs_in("one-role") == ticket


def test_a_card_that_the_broker_refuses_parks_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE, parked_sessions=0)
    ticket = person.signs_in("one-role")
    person.pulls(State.LOCKED)

    def refuse(*_: object) -> agent.Session:
        raise AgentError(Fault.BROKER_REFUSED)

    monkeypatch.setattr(agent.Broker, "validate", refuse)
    person.slot.insert("no-role")
    person.types()
    assert person.problem().fault is Fault.BROKER_REFUSED
    person.pulls(State.LOCKED)
    assert person.signs_in("one-role") == ticket


def test_who_is_back_makes_no_room_with_their_own_session(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE, parked_sessions=1)
    first = person.signs_in("one-role")
    person.pulls(State.LOCKED)
    second = person.signs_in("no-role")
    person.pulls(State.LOCKED)
    assert person.signs_in("one-role") == first
    assert [*person.conductor.parked] == ["555000000004"]
    assert not person.spine.is_over(second)


def test_the_time_of_who_is_locked_is_no_matter_of_another_who_types(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    ticket = person.signs_in("one-role")
    limit, _ = person.conductor.signed_in().limit()
    person.pulls(State.LOCKED)
    person.slot.insert("no-role")
    person.sees(State.PASSCODE)
    person.clock.now = limit
    person.waits(lambda: person.conductor.locked is None, "end")
    person.ended(ticket)
    assert person.state is State.PASSCODE
    person.types()
    person.sees(State.SIGNED_IN)


def test_a_parked_session_ends_after_its_minutes_and_nobody_else_is_told(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE, parked_minutes=2)
    ticket = person.signs_in("one-role")
    person.pulls(State.LOCKED)
    other = person.signs_in("no-role")
    person.clock.now += 119
    person.waits(lambda: person.bridge.wait(0.05) or True, "look at the clock")
    assert not person.spine.is_over(ticket)
    person.clock.now += 1
    person.waits(lambda: not person.conductor.parked, "end")
    person.ended(ticket)
    assert person.state is State.SIGNED_IN
    assert person.session.ticket == other
    assert person.told()[-1] == "signed_out parked_too_long"
    assert person.events[-1].signed_in.session.ticket == ticket
    person.pulls(State.LOCKED)
    person.slot.insert("one-role")
    person.sees(State.PASSCODE)
    assert person.conductor.ended == {"555000000002": Fault.PARKED_TOO_LONG}  # as the screen says until they signed in
    person.types()
    person.sees(State.SIGNED_IN)
    assert not person.conductor.ended


@pytest.mark.parametrize("most", [0, 1])
def test_the_longest_parked_one_makes_room(start: Start, most: int) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE, parked_sessions=most)
    cards = ["one-role", "no-role", "expiring"][: most + 2]
    tickets = []
    for card in cards:
        tickets.append(person.signs_in(card))
        person.pulls(State.LOCKED)
    person.ended(tickets[0])
    assert len(person.conductor.parked) == most
    assert person.told().count("signed_out parked_too_many") == 1
    assert person.conductor.ended == {"555000000002": Fault.PARKED_TOO_MANY}
    assert not any(map(person.spine.is_over, tickets[1:]))


def test_a_log_out_that_is_not_confirmed_is_told_to_its_owner_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE, parked_minutes=1)
    ticket = person.signs_in("one-role")
    person.pulls(State.LOCKED)
    person.signs_in("no-role")
    asked = threading.Event()
    log_out = agent.Broker.log_out

    def first_is_away(broker: agent.Broker, session: agent.Session) -> None:
        if session.ticket == ticket:
            asked.set()
            raise AgentError(Fault.UNREACHABLE)
        log_out(broker, session)

    monkeypatch.setattr(agent.Broker, "log_out", first_is_away)
    person.clock.now += 60
    person.conductor.handle(Cue.LOG_OUT)
    person.waits(lambda: person.conductor.log_out_confirmed is not None and asked.is_set(), "both outcomes")
    person.bridge.wait(0.05)
    assert person.state is State.SIGNED_OUT
    assert person.conductor.log_out_confirmed is True


def test_the_end_of_the_agent_ends_them_all(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    tickets = [person.signs_in("one-role")]
    person.pulls(State.LOCKED)
    tickets.append(person.signs_in("no-role"))
    person.pulls(State.LOCKED)
    person.close()
    assert all(person.spine.is_over(ticket) for ticket in tickets)


def test_another_person_s_card_parks_a_session_that_goes_on_without_card(start: Start) -> None:
    person = start(Mode.MOBILITY)
    first = person.signs_in("one-role")
    person.pulls(State.SIGNED_IN)
    person.slot.insert("no-role")
    person.sees(State.PASSCODE)
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.session.ticket != first
    assert person.told() == ["signed_in", "locked other_card", "locked parked", "signed_in"]
