"""The ticket socket: what programs are answered."""

from __future__ import annotations

from typing import Any

from support.machine import wait_until
from support.ticket_socket import LiveAgent

from agent import CODES, State


def code_of(answer: dict[str, Any]) -> str:
    assert answer["error"].startswith("lanyard.Agent."), answer
    name = answer["error"].removeprefix("lanyard.Agent.")
    assert answer["parameters"]["code"] == CODES[name]
    return name


def test_a_live_session_gives_its_ticket(live: LiveAgent) -> None:
    ticket = live.signs_in()
    assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.call("GetTicket") == {"parameters": {"ticket": ticket}}


def test_nobody_is_asked_by_no_auth(live: LiveAgent) -> None:
    assert code_of(live.call("GetTicketNoAuth")) == "TicketNotAvailable"
    assert live.requests == []


def test_get_ticket_waits_for_a_sign_in(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket", origin="https://app.example")
        assert live.asks().origin == "https://app.example"
        ticket = live.signs_in()
        assert caller.receive() == {"parameters": {"ticket": ticket}}
    wait_until(lambda: live.asked is None, what="nothing asked any more")


def test_the_ticket_goes_with_the_card(live: LiveAgent) -> None:
    live.signs_in()
    live.pull()
    live.sees(State.WAITING)
    assert code_of(live.call("GetTicketNoAuth")) == "TicketNotAvailable"
