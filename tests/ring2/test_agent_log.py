"""The agent's own log at `info`: what happened, with host and cause of a failure, and not whose it was."""

from __future__ import annotations

import logging
import re
import socket

import pytest
from support.agent import Slot
from support.machine import wait_until
from support.spine import Spine
from support.ticket_socket import LiveAgent

from agent import Broker, Cue, State
from demo import EmbeddedReader


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="lanyard")


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.name == "lanyard")


def test_a_session_is_told_without_a_name(live: LiveAgent, caplog: pytest.LogCaptureFixture) -> None:
    ticket = live.signs_in("three-roles")
    signed_in = live.conductor.signed_in()
    live.call("ChangeRole", id=signed_in.session.roles[1].id)
    live.pull()
    live.sees(State.WAITING)
    wait_until(lambda: "confirmed the log-out" in said(caplog))
    log = said(caplog)
    told = re.findall(rf"Session {signed_in.id}: (.*?)  \[\d+\.\d s, ", log)
    assert told == ["signed in", "role changed", "signed out, card_out"]
    assert "A card was put in" in log
    assert "The card was taken out" in log
    secret = [ticket, signed_in.session.uid, signed_in.session.cn, *(role.id for role in signed_in.session.roles)]
    assert not [each for each in secret if each in log]


def test_a_broker_that_is_away_is_named_with_the_cause(
    runtime: object, reader: EmbeddedReader, slot: Slot, spine: Spine, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = f"https://127.0.0.1:{taken.getsockname()[1]}"
        live = LiveAgent(reader, lambda: Broker(away, spine.ca_file), slot)
        live.insert()
        live.types()
        live.sees(State.PROBLEM)
        live.close()
    assert f"UNREACHABLE POST {away.removeprefix('https://')}/login/authactivate: Connection refused" in said(caplog)


def test_what_holds_up_a_sign_in_and_what_failed_is_told(live: LiveAgent, caplog: pytest.LogCaptureFixture) -> None:
    live.bridge.call(live.conductor.hold, "Nobody can sign in yet.")
    live.bridge.call(live.conductor.warn, "browser has ended with exit code 1.")
    wait_until(lambda: "Nobody can sign in yet." in said(caplog))
    wait_until(lambda: "browser has ended with exit code 1." in said(caplog))


def test_a_card_that_cannot_be_used_is_told_without_its_owner(
    live: LiveAgent, caplog: pytest.LogCaptureFixture
) -> None:
    live.insert("expired")
    live.sees(State.PROBLEM)
    facts = live.conductor.attempt and live.conductor.attempt.facts
    assert facts
    assert "CARD_EXPIRED" in said(caplog)
    assert facts.certificate.uid not in said(caplog)
    live.does(Cue.DISMISSED)


def test_the_default_level_is_quiet_about_a_session(live: LiveAgent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="lanyard")
    live.signs_in()
    live.pull()
    live.sees(State.WAITING)
    assert said(caplog) == ""
