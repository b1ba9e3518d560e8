"""The broker is away: said before anybody types a passcode, and no longer once it is back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Person, Slot
from support.emulator import tries_left_on_disk
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

import agent
from agent import AgentError, Broker, Fault, State
from demo import EmbeddedReader

AWAY = "The sign-in service cannot be reached. It is asked again every few seconds."


class Network:
    """The way to the broker, which is cut at first."""

    def __init__(self, spine: Spine) -> None:
        self.spine, self.is_cut = spine, True

    def __call__(self) -> Broker:
        return FarBroker(self)


class FarBroker(Broker):
    """The broker at the other end of it."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.spine.url, network.spine.ca_file)
        self._network = network

    def activate(self) -> agent.Challenge:
        if self._network.is_cut:
            raise AgentError(Fault.UNREACHABLE, "connection refused")
        return super().activate()


@pytest.fixture
def network(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(agent, "BROKER_AGAIN_SECONDS", 0.1)
    return Network(spine)


@pytest.fixture
def window(screen: Display, network: Network, reader: EmbeddedReader, slot: Slot) -> Iterator[WindowOnScreen]:
    window = WindowOnScreen(screen, reader, network)
    with contextlib.closing(window):
        yield window


def test_it_is_said_while_a_passcode_is_asked_for_until_it_is_back(
    window: WindowOnScreen, network: Network, slot: Slot
) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.waits(lambda: AWAY in window.text())
    window.picture("broker-away-passcode")
    window.types("12345")
    network.is_cut = False
    window.waits(lambda: AWAY not in window.text())
    window.types("6")
    window.waits(lambda: len(window.passcode_field().get()) == 6)  # what was typed meanwhile is kept
    window.presses("Return")
    window.sees(State.SIGNED_IN)


def test_it_is_said_on_a_free_pc_as_well(window: WindowOnScreen, network: Network, slot: Slot) -> None:
    window.conductor.look_for_broker()
    window.waits(lambda: AWAY in window.text())
    assert "Put your card into the reader" in window.text()
    window.picture("broker-away-waiting")
    network.is_cut = False
    window.waits(lambda: AWAY not in window.text())


def test_a_passcode_that_is_typed_all_the_same_spends_no_try(
    window: WindowOnScreen, network: Network, slot: Slot, data: Path
) -> None:
    slot.insert("one-role")
    window.signs_in("000000")
    window.sees(State.PROBLEM)
    assert window.conductor.problem
    assert window.conductor.problem.fault is Fault.UNREACHABLE
    assert tries_left_on_disk(data / "cards" / "one-role") == 3
    network.is_cut = False
    window.clicks("Try again")
    window.sees(State.PASSCODE)
    window.signs_in()
    window.sees(State.SIGNED_IN)


def test_a_broker_that_is_there_is_not_asked_again(network: Network, reader: EmbeddedReader, slot: Slot) -> None:
    network.is_cut = False
    person = Person(reader, network)
    person.conductor.look_for_broker()
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.conductor._broker_timer is None
    person.close()


def test_nothing_is_asked_after_the_agent_has_ended(network: Network, reader: EmbeddedReader) -> None:
    person = Person(reader, network)
    person.conductor.look_for_broker()
    person.waits(lambda: person.conductor.broker_away, "a broker that is away")
    timer = person.conductor._broker_timer
    person.close()
    assert timer
    timer.join(5)
    assert not timer.is_alive()
