"""The ticket socket: what programs are answered, and what the person is asked for them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from support.agent import HeldBroker, Slot
from support.emulator import PASSCODE
from support.machine import wait_until
from support.spine import Spine
from support.ticket_socket import LiveAgent, error_name

import agent
from agent import AgentError, Broker, Cue, Fault, State
from demo import EmbeddedReader


def nothing_asked(live: LiveAgent) -> None:
    wait_until(lambda: live.asked is None, what="nothing asked any more")


def test_a_live_session_gives_its_ticket(live: LiveAgent) -> None:
    ticket = live.signs_in()
    assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.call("GetTicket") == {"parameters": {"ticket": ticket}}
    assert not any(live.requests)


def test_nobody_is_asked_by_no_auth(live: LiveAgent) -> None:
    assert error_name(live.call("GetTicketNoAuth")) == "TicketNotAvailable"
    assert not live.requests


def test_get_ticket_waits_for_a_sign_in(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket", origin="https://app.example")
        assert live.asks().who == "https://app.example"
        ticket = live.signs_in()
        assert caller.receive() == {"parameters": {"ticket": ticket}}
    nothing_asked(live)


def test_no_ticket_before_the_role_is_chosen(live: LiveAgent) -> None:
    live.insert("three-roles")
    live.types()
    live.sees(State.CHOOSING_ROLE)
    assert live.call("GetStatus")["parameters"]["state"] == "choosing_role"
    assert error_name(live.call("GetTicketNoAuth")) == "TicketNotAvailable"


def test_several_callers_get_the_same_ticket(live: LiveAgent) -> None:
    with live.dialogue() as one, live.dialogue() as another:
        one.send("GetTicket")
        another.send("GetNewTicket")
        live.asks()
        ticket = {"parameters": {"ticket": live.signs_in()}}
        assert [one.receive(), another.receive()] == [ticket, ticket]


def test_a_person_who_refuses_is_asked_by_nobody(live: LiveAgent) -> None:
    with live.dialogue() as one, live.dialogue() as another:
        one.send("GetTicket")
        live.asks().answer(False)
        assert error_name(one.receive()) == "UserAbort"
        nothing_asked(live)
        another.send("GetTicket")
        live.asks()


def test_the_wait_has_an_end(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket", wait_seconds=1)
        live.asks()
        assert error_name(caller.receive()) == "TicketNotAvailable"
        nothing_asked(live)


def test_who_does_not_wait_asks_nobody(live: LiveAgent) -> None:
    assert error_name(live.call("GetTicket", wait_seconds=0)) == "TicketNotAvailable"
    assert not live.requests


def test_who_leaves_the_choice_of_role_has_given_up(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket")
        live.insert("three-roles")
        live.types()
        live.sees(State.CHOOSING_ROLE)
        live.does(Cue.LOG_OUT)
        assert error_name(caller.receive()) == "UserAbort"


@pytest.mark.parametrize(
    ("card", "error"), [("locked", "PinBlocked"), ("expired", "CardNotValid"), ("revoked", "AuthenticationFailed")]
)
def test_a_failed_sign_in_is_told_at_once(live: LiveAgent, card: str, error: str) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket")
        live.asks()
        live.insert(card)
        if card == "revoked":
            live.types()
        assert error_name(caller.receive()) == error
    nothing_asked(live)


def test_a_problem_from_before_is_not_the_caller_s(live: LiveAgent) -> None:
    """The card that is still in is read anew, and what is wrong with it then is told."""
    live.insert("expired")
    live.sees(State.PROBLEM)
    before = live.conductor.problem
    assert error_name(live.call("GetTicket")) == "CardNotValid"
    assert live.conductor.problem is not before
    live.pull()
    live.sees(State.WAITING)
    with live.dialogue() as caller:
        caller.send("GetTicket")
        live.asks()
        live.bridge.call(live.conductor.handle, agent.LogOutEnded(confirmed=True))
        ticket = live.signs_in()
        assert caller.receive() == {"parameters": {"ticket": ticket}}


def test_a_wrong_passcode_leaves_the_caller_waiting(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket")
        live.insert()
        live.types("999999")
        wait_until(lambda: live.conductor.problem, what="a wrong passcode")
        live.types()
        assert "ticket" in caller.receive()["parameters"]


def test_a_card_that_is_still_in_is_asked_for_its_passcode(live: LiveAgent) -> None:
    """After Log out, and after a problem."""
    live.signs_in()
    live.does(Cue.LOG_OUT)
    live.sees(State.SIGNED_OUT)
    with live.dialogue() as caller:
        caller.send("GetTicket")
        live.types()
        assert "ticket" in caller.receive()["parameters"]


def test_a_new_ticket_is_that_of_a_new_sign_in(live: LiveAgent, spine: Spine) -> None:
    old = live.signs_in()
    with live.dialogue() as caller:
        caller.send("GetNewTicket")
        live.types()
        new = caller.receive()["parameters"]["ticket"]
    assert new != old
    wait_until(lambda: spine.is_over(old), what="the old session's end")
    assert live.call("GetTicketNoAuth")["parameters"]["ticket"] == new


def test_a_program_logs_out(live: LiveAgent, spine: Spine) -> None:
    ticket = live.signs_in()
    assert live.call("DestroyTicket") == {"parameters": {}}
    assert error_name(live.call("GetTicketNoAuth")) == "TicketNotAvailable"
    assert live.call("GetStatus")["parameters"]["state"] == "signed_out"
    wait_until(lambda: spine.is_over(ticket), what="the session's end at the broker")
    assert error_name(live.call("DestroyTicket")) == "TicketNotAvailable"


def test_a_program_locks_the_session_and_nobody_gets_its_ticket_until_it_is_resumed(live: LiveAgent) -> None:
    ticket = live.signs_in()
    assert live.call("Lock") == {"parameters": {}}
    for method in ("GetTicketNoAuth", "Lock", "DestroyTicket"):
        assert error_name(live.call(method)) == "TicketNotAvailable"
    live.sees(State.PASSCODE)
    live.bridge.call(live.conductor.type_passcode, PASSCODE)
    assert live.call("GetTicket")["parameters"]["ticket"] == ticket


def test_the_status_of_a_session(live: LiveAgent) -> None:
    assert live.call("GetStatus")["parameters"] == {"state": "no_card", "reader": None, "has_keyboard": True}
    live.signs_in("three-roles")
    status = live.call("GetStatus")["parameters"]
    signed_in = live.conductor.signed_in()
    assert signed_in.role
    assert status.pop("seconds_left") in range(1, 60 * signed_in.session.idle_minutes + 1)
    assert status == {
        "state": "signed_in",
        "has_keyboard": True,
        "reader": live.conductor.cards[0].reader,
        "uid": signed_in.session.uid,
        "cn": signed_in.session.cn,
        "role": dataclasses.asdict(signed_in.role),
    }


def test_another_role_is_taken(live: LiveAgent) -> None:
    ticket = live.signs_in("three-roles")
    other = live.conductor.signed_in().session.roles[1]
    assert live.call("ChangeRole", id=other.id) == {"parameters": {}}
    live.call("Show")  # once the owner's thread is done with the other role
    moves: list[State] = []
    live.conductor.on_change = moves.append
    assert live.call("ChangeRole", id=other.id) == {"parameters": {}}
    assert moves == []
    assert live.call("GetStatus")["parameters"]["role"]["id"] == other.id
    assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.call("ChangeRole", id="1")["error"] == "org.varlink.service.InvalidParameter"


class RefusingBroker(Broker):
    """A broker's client that has each role taken, but tells of a failure with all but the first."""

    def select_role(self, session: agent.Session, role: agent.Role) -> None:
        super().select_role(session, role)
        if role != session.roles[0]:
            raise AgentError(Fault.BROKER_FAULT)


def test_the_session_goes_on_with_its_role_where_the_broker_fails(
    runtime: object, spine: Spine, reader: EmbeddedReader, slot: Slot
) -> None:
    live = LiveAgent(reader, lambda: RefusingBroker(spine.url, spine.ca_file), slot)
    ticket = live.signs_in("three-roles")
    roles = live.conductor.signed_in().session.roles
    assert error_name(live.call("ChangeRole", id=roles[1].id)) == "InternalServer"
    assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.call("GetStatus")["parameters"]["role"]["id"] == roles[0].id
    selected = [line for line in spine.log if "RoleSelectionGP.jsp" in line]
    assert [line.rpartition("role=")[2].split()[0] for line in selected] == [roles[0].id, roles[1].id, roles[0].id]
    live.close()


def test_the_ticket_stays_while_the_role_changes(
    runtime: object, spine: Spine, reader: EmbeddedReader, slot: Slot
) -> None:
    broker = HeldBroker(spine)
    live = LiveAgent(reader, lambda: broker, slot)
    ticket = live.signs_in("three-roles")
    roles = live.conductor.signed_in().session.roles
    broker._held = "select_role"
    with live.dialogue() as caller:
        caller.send("ChangeRole", id=roles[1].id)
        wait_until(broker.reached.is_set, what="a request to the broker")
        assert live.call("GetStatus")["parameters"]["role"]["id"] == roles[0].id
        assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
        broker.go.set()
        assert caller.receive() == {"parameters": {}}
    live.close()


@pytest.mark.parametrize(
    "call",
    [
        {"method": "GetTicket", "origin": "https://" + "x" * 300},
        {"method": "GetTicketNoAuth", "origin": "https://" + "x" * 300},
        {"method": "GetTicket", "origin": "Lanyard itself"},
        {"method": "GetTicket", "origin": "https://app.example asks for nothing, or http://x"},
        {"method": "GetTicket", "origin": "https://\u0430pp.example"},
        {"method": "GetTicket", "origin": "https://app.example/page"},
        {"method": "GetTicket", "wait_seconds": -1},
        {"method": "GetTicket", "wait_seconds": 3601},
        {"method": "Confirm", "question": ""},
        {"method": "Confirm", "question": "\u200b\x00"},
        {"method": "Confirm", "question": "x" * 501},
    ],
    ids=str,
)
def test_a_parameter_has_its_bounds(live: LiveAgent, call: dict[str, Any]) -> None:
    answer = live.call(**call)
    assert answer["error"] == "org.varlink.service.InvalidParameter"
    assert answer["parameters"]["code"] == agent.CODES["InvalidParameter"]


def test_the_ticket_goes_with_the_card_and_all_who_wait_are_told(live: LiveAgent) -> None:
    live.signs_in()
    with live.dialogue() as caller:
        assert "ticket" in caller.call("GetTicketNoAuth")["parameters"]
        live.pull()
        live.sees(State.WAITING)
        assert error_name(caller.call("GetTicketNoAuth")) == "TicketNotAvailable"


def test_a_session_that_is_over_by_the_clock_gives_no_ticket(live: LiveAgent) -> None:
    live.signs_in()
    live.server._clock = lambda: live.conductor.signed_in().limit()[0]
    assert error_name(live.call("GetTicketNoAuth")) == "TicketNotAvailable"


def test_the_end_of_the_agent_is_told(live: LiveAgent) -> None:
    live.signs_in()
    with live.dialogue() as watcher, live.dialogue() as caller:
        watcher.send("Watch", flags={"more": True})
        watcher.receive()
        caller.send("Confirm", question="Send it?")
        live.asks("Send it?")
        session = live.conductor.signed_in().id
        live.ends()
        ended = watcher.receive()["parameters"]
        assert (ended["sequence"], ended["event"], ended["reason"]) == (2, "signed_out", "agent_ended")
        assert ended["session"] == session
        assert watcher.receive()["parameters"] == {"sequence": 3, "event": "signed_out", "reason": "agent_ended"}
        assert error_name(caller.receive()) == "NoServer"
        assert watcher.is_over()
