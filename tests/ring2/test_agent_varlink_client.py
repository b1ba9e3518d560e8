"""The ticket socket and somebody else's Varlink client: the one of PyPI, which reads the interfaces' descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.machine import need
from support.ticket_socket import LiveAgent

import agent


@pytest.fixture
def client(live: LiveAgent) -> Iterator[Any]:
    need("varlink")
    import varlink

    with varlink.Client(f"unix:{live.path}") as client:
        yield client


@pytest.fixture
def connection(client: Any) -> Iterator[Any]:
    with client.open("lanyard.Agent") as connection:
        yield connection


def test_the_service_describes_itself(client: Any) -> None:
    with client.open("org.varlink.service") as service:
        about = service.GetInfo()
        assert about["version"] == agent.VERSION
        assert about["interfaces"] == ["org.varlink.service", "lanyard.Agent"]
        described = service.GetInterfaceDescription("lanyard.Agent")["description"]
    assert described == agent.INTERFACES["lanyard.Agent"]


def test_methods_types_and_errors_of_the_description(client: Any) -> None:
    import varlink.scanner

    interface = varlink.scanner.Interface(agent.INTERFACES["lanyard.Agent"])
    kinds = {name: type(member).__name__ for name, member in interface.members.items()}
    assert {name for name, kind in kinds.items() if kind == "_Error"} == set(agent.CODES)
    methods = {f"lanyard.Agent.{name}" for name, kind in kinds.items() if kind == "_Method"}
    assert methods == {name for name in agent.METHODS if name.startswith("lanyard.")}


def test_a_ticket_and_a_status(live: LiveAgent, connection: Any) -> None:
    ticket = live.signs_in()
    assert connection.GetTicket(origin="https://app.example", wait_seconds=5) == {"ticket": ticket}
    assert connection.GetStatus()["role"]["id"] == live.conductor.signed_in().session.roles[0].id


def test_an_error_with_its_code(live: LiveAgent, connection: Any) -> None:
    import varlink

    with pytest.raises(varlink.VarlinkError) as caught:
        connection.GetTicketNoAuth()
    assert caught.value.error() == "lanyard.Agent.TicketNotAvailable"
    assert caught.value.parameters()["code"] == 0x80100009


def test_a_watcher(live: LiveAgent, connection: Any) -> None:
    events = connection.Watch(_more=True)
    assert next(events)["event"] == "signed_out"
    live.signs_in()
    signed_in = next(events)
    assert (signed_in["sequence"], signed_in["event"]) == (1, "signed_in")
    live.pull()
    signed_out = next(events)
    assert (signed_out["sequence"], signed_out["event"], signed_out["reason"]) == (2, "signed_out", "card_out")
    live.server.close()
    assert next(events)["reason"] == "agent_ended"
    with pytest.raises(StopIteration):
        next(events)
