"""A shared PC: only this session's programs get its ticket, and nobody signs in before the last one's have ended."""

from __future__ import annotations

from typing import Any

import pytest
from support.ticket_socket import NO_AUTH, Dialogue, LiveAgent, OtherProgram, answer, error_name

from agent import Mode, State

KIOSK = pytest.mark.parametrize("live", [{"kiosk": True}], indirect=True)
PARKS = pytest.mark.parametrize("live", [{"kiosk": True, "mode": Mode.SESSION_LOCK_PERSISTENCE}], indirect=True)


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
