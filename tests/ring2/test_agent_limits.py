"""The time that a session has left at the broker: it is used, not used, or ended there by somebody else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.agent import Hands, Person, Slot, fails
from support.kept import Kept, Start
from support.lying_broker import LyingBroker, activation, http, validation
from support.machine import wait_until
from support.scripted_card import BrokenCard, OneCardReader
from support.spine import SpineFactory
from support.ticket_socket import LiveAgent

import agent
from agent import AgentError, Broker, Cue, Fault, Mode, Role, State, is_same_host
from demo import EmbeddedReader

OVER = http("<HTML><STATUS>INVALID TOKEN</STATUS></HTML>")


def logs_out_elsewhere(person: Kept) -> None:
    """Another program ends the session at the broker."""
    session = person.session
    with contextlib.closing(Broker(person.spine.url, person.spine.ca_file)) as broker:
        broker.log_out(session)


def test_use_begins_the_idle_limit_anew_here_and_at_the_broker(
    reader: EmbeddedReader, slot: Slot, spine_factory: SpineFactory
) -> None:
    spine = spine_factory(idle=timedelta(minutes=10))
    with contextlib.closing(Kept(reader, slot, spine, Mode.NORMAL)) as person:
        ticket = person.signs_in()
        for _ in range(3):
            person.clock.now += 599
            spine.clock.advance(seconds=599)
            person.conductor.active()
            person.waits(lambda: person.conductor.seconds_left() == 600, "time")
        assert not spine.is_over(ticket)


def test_use_does_not_put_off_the_end_of_the_longest_time(start: Start) -> None:
    person = start(Mode.NORMAL)
    person.signs_in()
    signed_in = person.conductor.signed_in()
    end = signed_in.started + 60 * signed_in.session.max_minutes
    person.clock.now = end - 120
    person.attempt.signed_in = agent.dataclasses.replace(signed_in, used=end - 240)
    person.conductor.active()
    person.waits(lambda: person.conductor.signed_in().used == end - 120, "use")
    assert person.conductor.seconds_left() == 120


def test_the_broker_is_told_at_most_once_a_minute_and_only_of_who_is_signed_in(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Broker, "keep_alive", lambda broker, session: asked.append(session.uid))
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    person.conductor.active()
    person.signs_in()
    for seconds in (59, 1, 0, 59):
        person.clock.now += seconds
        person.conductor.active()
    person.waits(lambda: person.conductor.signed_in().used == person.clock.now - 59, "use")
    person.pulls(State.LOCKED)
    person.clock.now += 60
    person.conductor.active()
    person.signs_in()  # which resumes, and asks
    wait_until(lambda: len(asked) == 2, what="two times")


@pytest.mark.parametrize(
    "session_url",
    ["http://192.0.2.1:8093/sessionmanager/session/update", "https://192.0.2.1/login/ssoupdate", "", "https://[", "//"],
)
def test_no_other_host_gets_the_ticket(session_url: str) -> None:
    session = agent.Session("1", "", "ticket", (), 1, 1, "", session_url)
    with fails(Fault.UNREACHABLE):
        Broker("https://127.0.0.1:9", None).keep_alive(session)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://gas.example.nhs.uk:443/login/ssoupdate", True),
        ("https://GAS.example.nhs.uk/x", True),
        ("http://gas.example.nhs.uk/login/ssoupdate", False),
        ("https://gas.example.nhs.uk:8443/login/ssoupdate", False),
        ("https://gas.example.nhs.uk@evil.example/login/ssoupdate", False),
        ("https://gas.example.nhs.uk:99999/", False),
        ("", False),
    ],
)
def test_an_address_is_the_broker_s_own_by_scheme_host_and_port(url: str, same: bool) -> None:
    assert is_same_host(url, "https://gas.example.nhs.uk") is same


# A session that the broker has ended


def test_its_end_is_noticed_when_the_session_is_used(start: Start) -> None:
    person = start(Mode.NORMAL)
    person.signs_in()
    logs_out_elsewhere(person)
    person.clock.now += 60
    person.conductor.active()
    problem = person.problem()
    assert problem.fault is Fault.ENDED_BY_BROKER
    assert "has ended your session" in problem.says
    assert person.told()[-1] == "signed_out ended_by_broker"


def test_its_end_is_noticed_when_it_is_resumed(start: Start) -> None:
    person = start(Mode.SESSION_LOCK_PERSISTENCE)
    person.signs_in()
    logs_out_elsewhere(person)
    person.pulls(State.LOCKED)
    person.slot.insert("one-role")
    person.types()
    assert person.problem().fault is Fault.ENDED_BY_BROKER


def test_its_end_is_noticed_when_another_role_is_chosen(start: Start) -> None:
    person = start(Mode.NORMAL)
    person.slot.insert("three-roles")
    person.types()
    person.sees(State.CHOOSING_ROLE)
    first, second, _ = person.session.roles
    person.conductor.handle(agent.RoleChosen(first))
    person.sees(State.SIGNED_IN)
    logs_out_elsewhere(person)
    refused: list[AgentError] = []
    person.conductor.change_role(second, refused.append)
    assert person.problem().fault is Fault.ENDED_BY_BROKER
    assert [error.fault for error in refused] == [Fault.ENDED_BY_BROKER]


def test_a_program_s_use_of_the_ticket_is_use(live: LiveAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "KEEP_ALIVE_SECONDS", 0)
    live.signs_in()
    used = live.conductor.signed_in().used
    for method in ("GetTicket", "GetTicketNoAuth"):
        live.call(method)
        wait_until(lambda used=used: live.conductor.signed_in().used > used, what="use")  # type: ignore[misc]
        used = live.conductor.signed_in().used


# A broker that does not answer


@pytest.fixture
def hanging(lying_broker: LyingBroker, ca_file: Path) -> Iterator[Person]:
    """Somebody who is signed in at a broker that from now on answers nothing but log-outs."""
    lying_broker.lies["authvalidate"] = validation(sso_session_url=f"{lying_broker.url}/login/ssoupdate")
    person = Person(OneCardReader(BrokenCard()), lambda: Broker(lying_broker.url, ca_file), clock=Hands())
    person.types()
    person.sees(State.SIGNED_IN)
    lying_broker.lies |= {"RoleSelectionGP.jsp": silence, "ssoupdate": silence, "authactivate": activation()}
    yield person
    person.close()


def silence(connection: object) -> None:
    threading.Event().wait(10)


@pytest.mark.parametrize("what", ["role", "keep-alive"])
def test_a_log_out_waits_behind_nothing_that_hangs(what: str, hanging: Person, lying_broker: LyingBroker) -> None:
    endpoint = {"role": "RoleSelectionGP.jsp", "keep-alive": "ssoupdate"}[what]
    before = len(lying_broker.asked(endpoint))
    if what == "role":
        other = Role("7", None, "", "", "", "another")
        hanging.conductor.change_role(other, lambda error: None)
    else:
        hanging.conductor.clock.now += 60  # type: ignore[attr-defined]
        hanging.conductor.active()
    wait_until(lambda: len(lying_broker.asked(endpoint)) == before + 1, what="the request that hangs")
    hanging.conductor.handle(Cue.LOG_OUT)
    wait_until(lambda: lying_broker.asked("authlogout"), 2, "the log-out")
    assert len(lying_broker.asked(endpoint)) == before + 1


def test_a_role_that_is_being_selected_at_sign_in_holds_up_no_log_out(lying_broker: LyingBroker, ca_file: Path) -> None:
    lying_broker.lies["RoleSelectionGP.jsp"] = silence
    person = Person(OneCardReader(BrokenCard()), lambda: Broker(lying_broker.url, ca_file))
    person.types()
    person.sees(State.SELECTING_ROLE)
    wait_until(lambda: lying_broker.asked("RoleSelectionGP.jsp"), what="the request that hangs")
    person.conductor.handle(Cue.CANCELLED)
    wait_until(lambda: lying_broker.asked("authlogout"), 2, "the log-out")
    person.close()


def test_a_broker_that_is_away_leaves_the_time_as_it_is(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    person = start(Mode.NORMAL)
    person.signs_in()
    left = person.conductor.seconds_left()
    tried = threading.Event()

    def away(broker: Broker, session: agent.Session) -> None:
        tried.set()
        raise AgentError(Fault.UNREACHABLE)

    monkeypatch.setattr(Broker, "keep_alive", away)
    person.clock.now += 60
    person.conductor.active()
    wait_until(tried.is_set, what="a try")
    person.attempt.lane.submit(lambda: person.bridge.call(lambda: None))
    person.waits(lambda: person.bridge.wait(0.05) or True, "answer")
    assert person.conductor.seconds_left() == left - 60
    assert person.state is State.SIGNED_IN
