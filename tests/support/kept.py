"""Somebody at a PC whose sessions are kept, in any mode, with a clock that the test moves.

Fixture: `start` makes that person, for a mode and its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import agent
from agent import Broker, Mode, SessionEvent, State
from demo import EmbeddedReader
from support.agent import Hands, Person, Slot
from support.machine import wait_until
from support.spine import Spine

Start = Callable[..., "Kept"]


class Kept(Person):
    """Somebody at a PC whose sessions are kept, and what programs are told of them."""

    def __init__(self, reader: EmbeddedReader, slot: Slot, spine: Spine, mode: Mode, **limits: int) -> None:
        self.clock, self.slot, self.spine, self.events = Hands(), slot, spine, list[SessionEvent]()
        self.away = False  # the broker
        super().__init__(reader, self._broker, clock=self.clock, mode=mode, **limits)
        self.conductor.on_session = self.events.append

    def _broker(self) -> Broker:
        return Broker("https://127.0.0.1:9" if self.away else self.spine.url, self.spine.ca_file)

    def told(self) -> list[str]:
        return [" ".join(filter(None, (event.event, event.reason))) for event in self.events]

    def signs_in(self, card: str = "one-role") -> str:
        """Return the ticket."""
        self.slot.insert(card)
        self.types()
        self.sees(State.SIGNED_IN)
        return self.session.ticket

    def pulls(self, state: State) -> None:
        self.slot.pull()
        self.waits(lambda: self.state is state and not self.conductor.cards, f"{state}")

    def ended(self, ticket: str) -> None:
        wait_until(lambda: self.spine.is_over(ticket), what="the end of the session at the broker")


@pytest.fixture
def start(spine: Spine, reader: EmbeddedReader, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(agent, "CHECK_TIME_SECONDS", 0.01)
    people: list[Kept] = []

    def start(mode: Mode, **limits: int) -> Kept:
        people.append(Kept(reader, slot, spine, mode, **limits))
        return people[0]

    yield start
    for person in people:
        person.close()
