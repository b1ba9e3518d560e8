"""Sessions that are kept without their cards: locked, resumed by the card alone, parked, ended in the end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.kept import Start
from support.machine import wait_until

import agent
from agent import AgentError, Cue, Fault, Mode, RoleChosen, State

# Session Lock Persistence


def test_card_out_keeps_the_session_and_card_and_passcode_resume_it(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    ticket = person.signs_in("one-role")
    before = person.conductor.signed_in()
    person.pulls(State.LOCKED)
    assert person.conductor.attempt is None
    assert person.signs_in("one-role") == ticket
    assert person.conductor.signed_in() == before
    assert not person.spine.is_over(ticket)
    assert person.told() == ["signed_in", "locked card_out", "resumed"]
    assert {event.signed_in.id for event in person.events} == {before.id}


def test_it_is_resumed_while_the_broker_is_away(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    ticket = person.signs_in()
    person.pulls(State.LOCKED)
    person.away = True
    assert person.signs_in() == ticket


def test_a_wrong_passcode_resumes_nothing(start: Start, data: Path) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    ticket = person.signs_in()
    person.pulls(State.LOCKED)
    person.slot.insert("one-role")
    person.types("000000")
    person.waits(lambda: person.conductor.problem, "problem")
    assert person.state is State.PASSCODE
    person.pulls(State.LOCKED)
    assert person.signs_in() == ticket


def test_a_card_that_cannot_sign_with_the_session_s_key_resumes_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of a certificate is no card."""
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    person.signs_in()
    person.pulls(State.LOCKED)
    monkeypatch.setattr(agent.secrets, "token_bytes", lambda size: bytes(size))
    verify = agent.is_signature
    monkeypatch.setattr(agent, "is_signature", lambda signature, *rest: verify(signature[::-1], *rest))
    person.slot.insert("one-role")
    person.types()
    assert person.problem().fault is Fault.CARD_NONSENSE
    assert "resumed" not in person.told()
    person.pulls(State.LOCKED)


def test_a_role_that_the_broker_takes_while_the_session_is_locked_is_that_of_the_session(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    person.slot.insert("three-roles")
    person.types()
    person.sees(State.CHOOSING_ROLE)
    first, second, _ = person.session.roles
    person.conductor.handle(RoleChosen(first))
    person.sees(State.SIGNED_IN)
    go, select = threading.Event(), agent.Broker.select_role

    def slow(broker: agent.Broker, session: agent.Session, role: agent.Role) -> None:
        go.wait(10)
        select(broker, session, role)

    monkeypatch.setattr(agent.Broker, "select_role", slow)
    person.conductor.change_role(second, lambda error: None)
    person.pulls(State.LOCKED)
    go.set()
    person.waits(lambda: "role_changed" in person.told(), "another role")
    person.slot.insert("three-roles")
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.conductor.signed_in().role == second


def test_the_lock_button_asks_for_the_passcode_of_the_card_that_is_in(start: Start) -> None:
    person = start(Mode.NORMAL)
    ticket = person.signs_in()
    person.conductor.lock()
    person.sees(State.PASSCODE)
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.session.ticket == ticket
    assert person.told() == ["signed_in", "locked lock", "resumed"]


def test_in_normal_mode_card_out_ends_a_session_that_is_locked(start: Start) -> None:
    person = start(Mode.NORMAL)
    ticket = person.signs_in()
    person.conductor.lock()
    person.sees(State.PASSCODE)
    person.pulls(State.WAITING)
    person.ended(ticket)
    assert person.told()[-1] == "signed_out card_out"
    assert person.conductor.locked is None


# The limits of sessions that are kept


@pytest.mark.parametrize("card_is_back", [False, True])
def test_the_broker_s_limits_go_on_while_it_is_locked(start: Start, card_is_back: bool) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    ticket = person.signs_in()
    limit, fault = person.conductor.signed_in().limit()
    person.pulls(State.LOCKED)
    if card_is_back:
        person.slot.insert("one-role")
        person.sees(State.PASSCODE)
    person.clock.now = limit
    assert person.problem().fault is fault
    person.ended(ticket)
    assert person.conductor.locked is None
    assert person.told()[-1].startswith("signed_out ")


# Mobility


def test_card_out_goes_on_and_the_card_comes_and_goes(start: Start) -> None:
    person = start(Mode.MOBILITY, mobility_minutes=10)
    ticket = person.signs_in()
    person.pulls(State.SIGNED_IN)
    person.slot.insert("one-role")
    person.waits(lambda: person.attempt.card in person.conductor.cards, "known card")
    person.pulls(State.SIGNED_IN)
    assert person.session.ticket == ticket
    assert person.told() == ["signed_in"]


def test_after_the_minutes_card_and_passcode_are_due(start: Start) -> None:
    person = start(Mode.MOBILITY, mobility_minutes=10)
    ticket = person.signs_in()
    person.pulls(State.SIGNED_IN)
    person.clock.now += 600
    person.sees(State.LOCKED)
    assert person.signs_in() == ticket
    assert person.told() == ["signed_in", "locked passcode_due", "resumed"]


def test_a_card_that_is_back_without_passcode_puts_nothing_off(start: Start) -> None:
    person = start(Mode.MOBILITY, mobility_minutes=10)
    person.signs_in()
    person.pulls(State.SIGNED_IN)
    person.slot.insert("one-role")
    person.waits(lambda: person.attempt.card in person.conductor.cards, "known card")
    person.clock.now += 600
    person.sees(State.PASSCODE)


def test_a_card_that_cannot_be_read_ends_no_session(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def unreadable(card: agent.PivCard, purpose: agent.Purpose) -> agent.Certificate:
        asked.set()
        raise AgentError(Fault.NO_CERTIFICATE)

    person = start(Mode.MOBILITY)
    ticket = person.signs_in("one-role")
    person.pulls(State.SIGNED_IN)
    monkeypatch.setattr(agent.PivCard, "_read_certificate", unreadable)
    person.slot.insert("no-role")
    person.waits(asked.is_set, "look at the card")
    person.pulls(State.SIGNED_IN)
    assert person.session.ticket == ticket


# Enhanced Normal (beside logind: ring3/test_agent_desktop_lock.py)


def test_a_desktop_that_is_locked_while_a_role_is_chosen_ends_the_session_and_asks_again(start: Start) -> None:
    person = start(Mode.ENHANCED_NORMAL)
    person.slot.insert("three-roles")
    person.types()
    person.sees(State.CHOOSING_ROLE)
    ticket = person.session.ticket
    person.conductor.handle(Cue.DESKTOP_LOCKED)
    person.sees(State.PASSCODE)
    person.ended(ticket)
    assert person.told() == []


def test_a_desktop_that_tells_nothing_leaves_the_lock_button_and_is_said_once(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def missing(has_locked: object) -> None:
        asked.append(1)
        raise ModuleNotFoundError("No module named 'jeepney'")

    monkeypatch.setattr(agent, "WATCH_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(agent, "watch_desktop", missing)
    person = start(Mode.ENHANCED_NORMAL)
    ticket = person.signs_in()
    wait_until(lambda: len(asked) > 2, what="more than one try")
    assert [record.message for record in caplog.records if "jeepney" in record.message] == [
        "The desktop does not say when it is locked  [ModuleNotFoundError: No module named 'jeepney']"
    ]
    person.conductor.lock()
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.session.ticket == ticket
