"""A shared PC: only this session's programs get its ticket, and nobody signs in before the last one's have ended."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.machine import wait_until
from support.ticket_socket import NO_AUTH, Dialogue, LiveAgent, OtherProgram, error_name

import agent
from agent import Cue, Mode, State

KIOSK = pytest.mark.parametrize("live", [{"kiosk": True}], indirect=True)
PARKS = pytest.mark.parametrize("live", [{"kiosk": True, "mode": Mode.SESSION_LOCK_PERSISTENCE}], indirect=True)
HOOKS = pytest.mark.parametrize("live", [{"hooks": True}], indirect=True)


def answer(program: OtherProgram, method: str, **parameters: Any) -> dict[str, Any]:
    call = {"method": f"lanyard.Agent.{method}", "parameters": parameters}
    reply = program.call(json.dumps(call).encode() + b"\0")
    parsed: dict[str, Any] = json.loads(reply.partition(b"\0")[0])
    return parsed


@KIOSK
def test_a_program_that_began_before_the_sign_in_gets_nothing(live: LiveAgent) -> None:
    with OtherProgram(live) as before:
        assert error_name(answer(before, "GetTicket")) == "TicketNotAvailable"
        assert not live.requests
        ticket = live.signs_in()
        for method in ("GetTicket", "GetTicketNoAuth"):
            refused = answer(before, method)
            assert error_name(refused) == "TicketNotAvailable"
            assert "started after the person had signed in" in refused["parameters"]["says"]
        assert error_name(answer(before, "Confirm", question="Send it?")) == "AuthenticationNotPossible"
        status = answer(before, "GetStatus")["parameters"]
        assert status["state"] == "signed_in"
        assert error_name(answer(before, "ChangeRole", id=status["role"]["id"])) == "TicketNotAvailable"
        with OtherProgram(live) as since:
            assert answer(since, "GetTicket") == {"parameters": {"ticket": ticket}}
            assert answer(since, "GetTicketNoAuth") == {"parameters": {"ticket": ticket}}


@KIOSK
def test_a_program_of_the_last_person_gets_nothing_of_the_next(live: LiveAgent) -> None:
    old = live.signs_in()
    with OtherProgram(live) as program:
        assert answer(program, "GetTicketNoAuth") == {"parameters": {"ticket": old}}
        live.pull()
        live.sees(State.WAITING)
        new = live.signs_in("three-roles")
        refused = program.call(NO_AUTH)
        assert b"TicketNotAvailable" in refused
        assert new.encode() not in refused


@KIOSK
def test_a_program_that_began_while_nobody_was_there_gets_nothing(live: LiveAgent) -> None:
    live.signs_in()
    live.pull()
    live.sees(State.WAITING)
    with OtherProgram(live) as between:
        live.signs_in()
        assert b"TicketNotAvailable" in between.call(NO_AUTH)


@PARKS
def test_each_persons_programs_get_their_own_ticket_and_no_other(live: LiveAgent) -> None:
    """Also when the first person is back, whose session is older than the second one's programs."""
    first = live.signs_in("one-role")
    with OtherProgram(live) as firsts:
        live.pull()
        live.sees(State.LOCKED)
        assert b"TicketNotAvailable" in firsts.call(NO_AUTH)
        second = live.signs_in("three-roles")
        with OtherProgram(live) as seconds:
            assert answer(seconds, "GetTicketNoAuth") == {"parameters": {"ticket": second}}
            assert b"TicketNotAvailable" in firsts.call(NO_AUTH)
            live.pull()
            live.sees(State.LOCKED)
            assert live.signs_in("one-role") == first
            assert b"TicketNotAvailable" in seconds.call(NO_AUTH)
            assert answer(firsts, "GetTicketNoAuth") == {"parameters": {"ticket": first}}


@PARKS
def test_who_begins_to_watch_is_told_of_a_locked_session_while_a_card_is_read(live: LiveAgent) -> None:
    live.signs_in("one-role")
    live.pull()
    live.sees(State.LOCKED)
    live.insert("one-role")
    live.sees(State.PASSCODE)
    with live.dialogue() as watcher:
        watcher.send("Watch", flags={"more": True})
        assert event(watcher)["event"] == "locked"


@KIOSK
def test_a_new_ticket_is_nobodys_there(live: LiveAgent) -> None:
    ticket = live.signs_in()
    with OtherProgram(live) as program:
        assert error_name(answer(program, "GetNewTicket")) == "MethodNotSupported"
        assert answer(program, "GetTicketNoAuth") == {"parameters": {"ticket": ticket}}


class Hooks:
    """Hooks that say they are done when the test wants them to."""

    def __init__(self, live: LiveAgent) -> None:
        self.watching, self.telling = live.dialogue(), live.dialogue()
        self.watching.send("Watch", flags={"more": True}, hooks=True)
        self.first = self.event()

    def event(self) -> dict[str, Any]:
        return dict(self.watching.receive()["parameters"])

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


def test_an_event_says_who_and_how_long(live: LiveAgent) -> None:
    now = [1000.0]
    live.server._clock = live.conductor.clock = lambda: now[0]
    with live.dialogue() as watcher:
        watcher.send("Watch", flags={"more": True})
        assert watcher.receive()["parameters"] == {"sequence": 0, "event": "signed_out", "reason": None}
        live.signs_in("three-roles")
        told = event(watcher)
        role = live.conductor.signed_in().role
        assert role
        assert told["role"]["id"] == role.id
        assert told["uid"] == live.conductor.signed_in().session.uid
        assert told["seconds"] == 0
        now[0] += 61.5
        live.pull()
        ended = event(watcher)
        assert (ended["event"], ended["reason"], ended["seconds"]) == ("signed_out", "card_out", 61.5)
        assert {**ended, "event": 0, "reason": 0, "seconds": 0, "sequence": 0} == {
            **told,
            "event": 0,
            "reason": 0,
            "seconds": 0,
            "sequence": 0,
        }


def event(watcher: Dialogue) -> dict[str, Any]:
    message: dict[str, Any] = watcher.receive()["parameters"]
    return message
