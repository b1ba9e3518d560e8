"""Hooks at the agent's socket: nobody signs in before the last person's programs have ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from support.machine import wait_until
from support.spine import Spine
from support.ticket_socket import LiveAgent, OtherProgram, answer, error_name

import agent
from agent import Cue, Mode, State

HOOKS = pytest.mark.parametrize("live", [{"hooks": True}], indirect=True)
PARKS = pytest.mark.parametrize("live", [{"hooks": True, "mode": Mode.SESSION_LOCK_PERSISTENCE}], indirect=True)


class Hooks:
    """Hooks that say they are done when the test wants them to."""

    def __init__(self, live: LiveAgent) -> None:
        self.watching, self.telling = live.dialogue(), live.dialogue()
        self.watching.send("Watch", flags={"more": True}, hooks=True)
        self.first = self.event()

    def event(self) -> dict[str, Any]:
        return dict(self.watching.receive()["parameters"])

    def until(self, what: str) -> dict[str, Any]:
        """The next event that is or has this reason."""
        while what not in ((event := self.event())["event"], event["reason"]):
            pass
        return event

    def done(self, sequence: int, **more: Any) -> dict[str, Any]:
        return self.telling.call("HooksDone", sequence=sequence, **more)

    def close(self) -> None:
        self.watching.close()
        self.telling.close()


@pytest.fixture
def hooks(live: LiveAgent) -> Iterator[Hooks]:
    with contextlib.closing(Hooks(live)) as hooks:
        yield hooks


def waits(live: LiveAgent, why: str) -> None:
    """The passcode is typed, and for this reason nothing comes of it."""
    live.types()
    live.sees(State.SIGNING_IN)
    wait_until(lambda: live.conductor.held == why, what="that it is held up")
    live.call("Show")  # once the owner's thread has done all that was to be done
    assert live.conductor.state is State.SIGNING_IN
    assert live.conductor.attempt
    assert live.conductor.attempt.signed_in is None


@HOOKS
def test_nobody_signs_in_until_hooks_are_there_and_done(live: LiveAgent) -> None:
    live.insert()
    waits(live, agent.HOOKS_AWAY)
    with contextlib.closing(Hooks(live)) as hooks:
        assert hooks.first["event"] == "signed_out"
        waits_still(live)
        assert hooks.done(hooks.first["sequence"]) == {"parameters": {}}
        live.sees(State.SIGNED_IN)
        assert hooks.event()["event"] == "signed_in"


def waits_still(live: LiveAgent) -> None:
    live.call("Show")
    assert live.conductor.state is State.SIGNING_IN


@HOOKS
def test_the_next_person_waits_for_the_last_ones_programs(live: LiveAgent, hooks: Hooks) -> None:
    hooks.done(hooks.first["sequence"])
    live.signs_in()
    signed_in = hooks.event()
    hooks.done(signed_in["sequence"])
    live.pull()
    signed_out = hooks.event()
    assert (signed_out["event"], signed_out["session"]) == ("signed_out", signed_in["session"])
    live.insert("three-roles")
    waits(live, agent.PROGRAMS_END)
    hooks.done(signed_in["sequence"])  # an answer to an earlier event
    waits_still(live)
    hooks.done(signed_out["sequence"])
    live.sees(State.CHOOSING_ROLE)
    assert live.conductor.held == ""


@HOOKS
def test_who_goes_meanwhile_is_forgotten(live: LiveAgent, hooks: Hooks) -> None:
    live.insert()
    waits(live, agent.HOOKS_AWAY)
    live.pull()
    live.sees(State.WAITING)
    live.insert("three-roles")
    live.sees(State.PASSCODE)
    hooks.done(hooks.first["sequence"])
    wait_until(lambda: live.conductor.held == "")
    live.call("Show")
    assert live.conductor.state is State.PASSCODE


@HOOKS
def test_hooks_that_go_away_keep_the_next_person_out_and_not_this_one(live: LiveAgent, hooks: Hooks) -> None:
    hooks.done(hooks.first["sequence"])
    ticket = live.signs_in()
    hooks.close()
    wait_until(lambda: live.conductor.held == agent.HOOKS_AWAY)
    assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    live.does(Cue.LOG_OUT)
    live.sees(State.SIGNED_OUT)
    live.does(Cue.DISMISSED)
    waits(live, agent.HOOKS_AWAY)
    with contextlib.closing(Hooks(live)) as again:
        again.done(again.first["sequence"])
        live.sees(State.SIGNED_IN)


@PARKS
def test_the_end_of_each_session_is_told_before_the_agent_ends(live: LiveAgent, hooks: Hooks) -> None:
    """Of who is here, and of those who are locked or parked; there is no window any more that could show anything."""
    hooks.done(hooks.first["sequence"])
    sessions = []
    for card in ("one-role", "no-role", "expiring"):
        live.insert(card)
        live.types()
        if sessions:
            hooks.done(hooks.until("parked")["sequence"])
        sessions.append(hooks.until("signed_in")["session"])
        if len(sessions) < 3:
            live.pull()
            hooks.until("card_out")
    live.conductor.on_notice = no_window
    live.ends()
    ends = [hooks.event() for _ in range(4)]
    assert {end.get("session") for end in ends} == {*sessions, None}
    assert {(end["event"], end["reason"]) for end in ends} == {("signed_out", "agent_ended")}
    assert hooks.watching.is_over()


def no_window() -> None:
    raise AssertionError("the window has gone")


@PARKS
def test_who_comes_while_somebody_is_locked_waits_for_their_programs_once_the_passcode_was_right(
    live: LiveAgent, hooks: Hooks
) -> None:
    hooks.done(hooks.first["sequence"])
    live.signs_in("one-role")
    live.pull()
    hooks.until("card_out")
    live.insert("no-role")
    live.types("000000")
    wait_until(lambda: live.conductor.problem, what="a wrong passcode")
    live.types()
    parked = hooks.until("parked")
    waits_still(live)
    hooks.done(parked["sequence"])
    live.sees(State.SIGNED_IN)


@PARKS
def test_who_goes_while_those_programs_end_has_no_session_any_more(live: LiveAgent, hooks: Hooks, spine: Spine) -> None:
    hooks.done(hooks.first["sequence"])
    ticket = live.signs_in("one-role")
    live.pull()
    hooks.until("card_out")
    live.insert("no-role")
    live.types()
    parked = hooks.until("parked")
    opened = live.conductor.attempt and live.conductor.attempt.broker.open_session
    assert opened
    live.pull()
    live.sees(State.WAITING)
    assert live.conductor._waits is None  # which had the ticket
    hooks.done(parked["sequence"])
    wait_until(lambda: spine.is_over(opened.ticket), what="the end of the second one's session")
    assert live.conductor.parked
    assert not spine.is_over(ticket)


@HOOKS
def test_only_the_hooks_say_that_they_are_done(live: LiveAgent, hooks: Hooks) -> None:
    with OtherProgram(live) as other:
        assert error_name(answer(other, "HooksDone", sequence=hooks.first["sequence"])) == "UserNotValid"
    with live.dialogue() as second:
        second.send("Watch", flags={"more": True}, hooks=True)
        assert error_name(second.receive()) == "ServerBusy"
    assert live.conductor.held == agent.HOOKS_AWAY
    hooks.close()
    with live.dialogue() as late:
        wait_until(lambda: "error" in late.call("HooksDone", sequence=0), what="that they have gone")


@HOOKS
def test_what_has_failed_is_shown_until_the_next_person(live: LiveAgent, hooks: Hooks) -> None:
    hooks.done(0, failed="The browser\x1b[2J\u202e has ended.")
    wait_until(lambda: live.conductor.notice == "The browser [2J has ended.")
    live.signs_in()
    assert live.conductor.notice == ""


def test_where_hooks_are_not_required_they_hold_up_nobody(live: LiveAgent, hooks: Hooks) -> None:
    live.signs_in()
    live.pull()
    live.sees(State.WAITING)
    live.signs_in("three-roles")
