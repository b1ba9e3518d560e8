"""What the ticket socket asks the person for programs, and what it tells those who watch."""

from __future__ import annotations

from typing import Any

import pytest
from support.machine import wait_until
from support.spine import Spine
from support.ticket_socket import LiveAgent, error_name

import agent
from agent import Cue, Fault, State


def nothing_asked(live: LiveAgent) -> None:
    wait_until(lambda: live.asked is None, what="nothing asked any more")


def without_time(message: dict[str, Any]) -> dict[str, Any]:
    """An event less what takes time, and less its role, both of which it must have."""
    event = dict(message["parameters"])
    assert event.pop("seconds") >= 0
    assert event.pop("role")["name"]
    return event


def test_a_watcher_is_told_what_is_so_and_what_changes(live: LiveAgent) -> None:
    live.signs_in("three-roles")
    with live.dialogue() as watcher:
        watcher.send("Watch", flags={"more": True})
        first = watcher.receive()
        assert first["continues"] is True
        signed_in = live.conductor.signed_in()
        whose = {"session": signed_in.id, "uid": signed_in.session.uid, "cn": signed_in.session.cn}
        whose |= {"reader": live.conductor.cards[0].reader}
        assert without_time(first) == {"sequence": 1, "event": "signed_in", "reason": None, **whose}
        live.call("ChangeRole", id=live.conductor.signed_in().session.roles[1].id)
        live.sees(State.SIGNED_IN)
        live.pull()
        assert [without_time(watcher.receive()) for _ in range(2)] == [
            {"sequence": 2, "event": "role_changed", "reason": None, **whose},
            {"sequence": 3, "event": "signed_out", "reason": "card_out", **whose},
        ]


def test_the_reasons_of_an_end() -> None:
    late = agent.Failed(agent.AgentError(Fault.TIME_UP))
    idle = agent.Failed(agent.AgentError(Fault.IDLE_TOO_LONG))
    lost = agent.ReaderLost(agent.AgentError(Fault.NO_READER))
    reasons = {"logged_out": Cue.LOG_OUT, "time_up": late, "idle": idle, "reader_lost": lost}
    reasons |= {
        "card_out": agent.CardOut(agent.CardIn("", b"")),
        "failed": agent.Failed(agent.AgentError(Fault.BROKER_FAULT)),
    }
    assert {reason: agent.reason_of(event) for reason, event in reasons.items()} == {each: each for each in reasons}


def test_a_watcher_wants_more_than_one_answer(live: LiveAgent) -> None:
    assert live.call("Watch")["error"] == "org.varlink.service.ExpectedMore"


def test_the_person_answers_a_question(live: LiveAgent) -> None:
    live.signs_in()
    with live.dialogue() as caller:
        for granted in (True, False):
            caller.send("Confirm", question=f"Is it\n{granted}?", origin="https://app.example")
            live.asks(f"Is it {granted}?").answer(granted)
            assert caller.receive() == {"parameters": {"granted": granted}}


def test_the_person_signs(live: LiveAgent) -> None:
    live.signs_in("prescriber")
    with live.dialogue() as caller:
        caller.send("SignPayloads", summary="Two letters", payloads=["YQ==", "Yg=="], origin="https://app.example")
        asked = live.asks("Two letters")
        assert asked.signing
        assert (asked.who, asked.signing.payloads) == ("https://app.example", [b"a", b"b"])
        signing, passcode = asked.signing, agent.Passcode("123456")

        def sign(card: agent.IdentityCard) -> Any:
            certificate = agent.signer_facts(card).certificate
            return agent.sign_documents(card, signing, certificate, passcode)

        live.bridge.call(live.conductor.use_card, sign, asked.answer)
        assert len(caller.receive()["parameters"]["signatures"]) == 2
        caller.send("Sign", summary="A letter", content="YQ==")
        live.asks("A letter").answer(False)
        assert error_name(caller.receive()) == "UserAbort"
        caller.send("Sign", summary="Another", content="YQ==")
        live.asks("Another").answer(agent.AgentError(Fault.CARD_LOCKED))
        assert error_name(caller.receive()) == "PinBlocked"


def test_nobody_is_asked_a_question_when_nobody_is_signed_in(live: LiveAgent) -> None:
    assert error_name(live.call("Confirm", question="?")) == "AuthenticationNotPossible"


def test_a_question_ends_with_the_session(live: LiveAgent) -> None:
    live.signs_in()
    with live.dialogue() as caller:
        caller.send("Confirm", question="Send it?")
        live.asks("Send it?")
        live.pull()
        assert error_name(caller.receive()) == "TicketNotAvailable"
    nothing_asked(live)


def test_the_window_is_brought_to_the_front(live: LiveAgent) -> None:
    assert live.call("Show") == {"parameters": {}}
    wait_until(lambda: live.shown == 1, what="the window in front")


def test_a_large_answer_comes_whole(live: LiveAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a signed document does, though no socket takes it at once."""
    large = {"cms": "x" * agent.LONGEST_MESSAGE}

    async def get_status(caller: object) -> dict[str, str]:
        return large

    monkeypatch.setattr(live.server, "get_status", get_status)
    with live.dialogue() as caller:
        for _ in range(2):
            caller.send("GetStatus")
            assert caller.receive() == {"parameters": large}


@pytest.mark.parametrize("live", [{"ask_programs": True}], indirect=True)
def test_a_program_is_asked_for_once_in_a_session(live: LiveAgent) -> None:
    ticket = {"parameters": {"ticket": live.signs_in()}}
    assert error_name(live.call("GetTicketNoAuth")) == "TicketNotAvailable"
    with live.dialogue() as caller:
        caller.send("GetTicket")
        live.asks(agent.MAY_HAVE).answer(False)
        assert error_name(caller.receive()) == "UserAbort"
        caller.send("GetTicket")
        live.asks(agent.MAY_HAVE).answer(True)
        assert caller.receive() == ticket
    assert live.call("GetTicket") == live.call("GetTicketNoAuth") == ticket
    assert error_name(live.call("GetTicketNoAuth", origin="https://app.example")) == "TicketNotAvailable"
    live.pull()
    live.sees(State.WAITING)
    live.signs_in()
    assert error_name(live.call("GetTicketNoAuth")) == "TicketNotAvailable"


@pytest.mark.parametrize("live", [{"ask_programs": True}], indirect=True)
def test_a_program_that_had_the_person_sign_in_is_asked_for_too(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket")
        live.asks()
        ticket = live.signs_in()
        live.asks(agent.MAY_HAVE).answer(True)
        assert caller.receive() == {"parameters": {"ticket": ticket}}


@pytest.mark.logs_errors
def test_a_change_of_role_that_fails_unexpectedly_is_answered(live: LiveAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    live.signs_in("three-roles")
    roles = live.conductor.signed_in().session.roles

    def select_role(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(agent.Broker, "select_role", select_role)
    assert error_name(live.call("ChangeRole", id=roles[1].id)) == "Internal"
    assert live.call("GetStatus")["parameters"]["role"]["id"] == roles[0].id


def test_a_new_ticket_that_is_asked_for_while_the_session_is_locked_is_not_the_old_one(
    live: LiveAgent, spine: Spine
) -> None:
    """Who unlocks it is asked to sign in once more."""
    old = live.signs_in()
    live.call("Lock")
    with live.dialogue() as caller:
        caller.send("GetNewTicket")
        live.asks()
        live.types()
        wait_until(lambda: spine.is_over(old), what="the old session's end")
        live.types()
        assert caller.receive()["parameters"]["ticket"] != old
