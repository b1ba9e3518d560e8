"""The PC sleeps, or its clock is set: neither is noticed but by what it means."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.agent import Hands, Person, Slot
from support.spine import Spine

import agent
from agent import Broker, State
from demo import EmbeddedReader


class AsDatetime(type):
    """What it makes passes for datetime itself."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class Calendar(datetime, metaclass=AsDatetime):
    """The PC's clock, put on by as many days as a test says."""

    days = 0

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + timedelta(days=cls.days)


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> type[Calendar]:
    monkeypatch.setattr(agent, "datetime", Calendar)
    monkeypatch.setattr(Calendar, "days", 0)
    return Calendar


@pytest.mark.parametrize("days", [-4000, 4000])
def test_a_clock_that_is_set_ends_no_session_and_changes_no_time_left(
    days: int,
    calendar: type[Calendar],
    spine: Spine,
    reader: EmbeddedReader,
    slot: Slot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent, "CHECK_TIME_SECONDS", 0.01)
    person = Person(reader, lambda: Broker(spine.url, spine.ca_file), clock=Hands())
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    left = person.conductor.seconds_left()
    calendar.days = days
    person.waits(lambda: person.bridge.wait(0.05), "look at the time")
    assert person.state is State.SIGNED_IN
    assert person.conductor.seconds_left() == left
    person.close()


@pytest.mark.parametrize(("days", "says"), [(4000, "expired"), (-4000, "not valid yet")])
def test_a_wrong_date_is_said_of_the_next_card_and_once_it_is_right_the_card_signs_in(
    days: int, says: str, calendar: type[Calendar], person: Person, slot: Slot
) -> None:
    calendar.days = days
    slot.insert("one-role")
    assert says in str(person.problem())
    calendar.days = 0
    slot.pull()
    person.sees(State.WAITING)
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)


def test_the_pc_sleeps_while_a_passcode_is_asked_for(
    person: Person, slot: Slot, spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The challenge that was fetched before is too old for the broker by then: another one is, on a new connection."""
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    person.waits(lambda: spine.requests("authactivate"), "challenge")
    awake = agent.boottime
    spine.clock.advance(minutes=10)
    monkeypatch.setattr(agent, "boottime", lambda: awake() + 600)
    person.conductor.type_passcode("123456")
    person.sees(State.SIGNED_IN)
    assert len(spine.requests("authactivate")) == 2
