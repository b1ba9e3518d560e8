"""What tests need around the agent: a slot for virtual cards, a slow broker, a person.

Fixtures: `slot` (a real virtual card in the agent's embedded reader), `person` (somebody who signs
in with that slot at the broker of `spine`, in process).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

import agent
from agent import AgentError, Bridge, Broker, CardSource, Conductor, Digest, Fault, State
from demo import EmbeddedReader
from emulator import VirtualCard
from emulator.testing import VpcdSlot
from support.emulator import PASSCODE
from support.spine import Spine

T = TypeVar("T")


@contextlib.contextmanager
def fails(*faults: Fault) -> Iterator[pytest.ExceptionInfo[AgentError]]:
    """Expect an error of the agent, with one of these faults."""
    with pytest.raises(AgentError) as caught:
        yield caught
    assert caught.value.fault in faults


class Slot:
    """Puts the cards under a DIR into a reader, by name."""

    def __init__(self, data: Path, address: str) -> None:
        self._data = data
        self._slot = VpcdSlot(address)

    def insert(self, name: str) -> None:
        self.card = VirtualCard.open(self._data / "cards" / name)
        self._slot.insert(self.card)

    def pull(self) -> None:
        self._slot.remove()

    def close(self) -> None:
        self._slot.close()


class HeldBroker(Broker):
    """A broker's client that waits, before the method `held` returns, until `go` is set."""

    def __init__(self, spine: Spine, held: str = "") -> None:
        super().__init__(spine.url, spine.ca_file)
        self.reached, self.go = threading.Event(), threading.Event()
        self.tickets: list[str] = []
        self._held = held

    def activate(self) -> agent.Challenge:
        return self._hold("activate", super().activate())

    def validate(self, uid: str, challenge: agent.Challenge, der: bytes) -> agent.Session:
        session = super().validate(uid, challenge, der)
        self.tickets.append(session.ticket)
        return self._hold("validate", session)

    def select_role(self, session: agent.Session, role: agent.Role) -> None:
        self._hold("select_role", super().select_role(session, role))

    def _hold(self, method: str, result: T) -> T:
        if method == self._held:
            self.reached.set()
            self.go.wait(10)
        return result


class Hands:
    """A clock whose hands a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Person:
    """Somebody in front of the agent, and the thread that a window or a terminal would be."""

    def __init__(
        self, reader: CardSource, new_broker: Callable[[], Broker], digest: Digest = Digest.SHA256, **parts: Any
    ) -> None:
        """`parts`: what else the conductor is given, such as a clock."""
        self.bridge = Bridge()
        self.conductor = Conductor(reader, new_broker, self.bridge, digest, **parts)
        self.states = [self.conductor.state]
        self.conductor.on_change = lambda before: self.states.append(self.conductor.state)
        self.conductor.start()

    @property
    def state(self) -> State:
        return self.conductor.state

    @property
    def attempt(self) -> agent.Attempt:
        assert self.conductor.attempt
        return self.conductor.attempt

    @property
    def session(self) -> agent.Session:
        return self.conductor.signed_in().session

    def sees(self, *states: State, deadline: float = 10) -> State:
        """Wait for one of these states; return it."""
        return self.waits(lambda: self.state in states and self.state, f"{states}", deadline)

    def waits(self, condition: Callable[[], T], what: str, deadline: float = 10) -> T:
        """Do what a face does, handle what the workers report, until the condition holds."""
        ends = time.monotonic() + deadline
        while not (value := condition()):
            left = ends - time.monotonic()
            if left <= 0 or not self.bridge.wait(left):
                problem = self.conductor.problem
                pytest.fail(f"no {what}, but {self.state} {problem!r} after {self.states}")
        return value

    def types(self, passcode: str = PASSCODE) -> None:
        """Wait until a passcode is asked for, and type it."""
        self.sees(State.PASSCODE, State.LAST_TRY)
        self.conductor.type_passcode(passcode)

    def problem(self) -> agent.AgentError:
        """Wait for the sentence of a problem."""
        self.sees(State.PROBLEM)
        assert self.conductor.problem
        return self.conductor.problem

    def close(self) -> None:
        self.conductor.close()
        self.bridge.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a broker as long as a test does, not a person."""
    monkeypatch.setattr(agent, "CONNECT_SECONDS", 0.4)
    monkeypatch.setattr(agent, "ANSWER_SECONDS", 0.4)
    monkeypatch.setattr(agent, "LATE_ANSWER_SECONDS", 0.4)


@pytest.fixture
def reader() -> Iterator[EmbeddedReader]:
    """The agent's embedded reader, on any free port."""
    reader = EmbeddedReader(0)
    yield reader
    reader.close()


@pytest.fixture
def slot(data: Path, reader: EmbeddedReader) -> Iterator[Slot]:
    """The way to put cards into that reader."""
    slot = Slot(data, reader.address)
    yield slot
    slot.close()


@pytest.fixture
def person(spine: Spine, reader: EmbeddedReader, slot: Slot) -> Iterator[Person]:
    """Somebody at that reader, who signs in at the broker `spine`."""
    person = Person(reader, lambda: Broker(spine.url, spine.ca_file))
    yield person
    person.close()
