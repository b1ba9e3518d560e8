"""A mistake of the agent's own is logged and said, and what goes on goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from support.agent import Person, Slot
from support.spine import Spine

import agent
from agent import Bridge, Broker, Cue, Fault, Report, State
from demo import EmbeddedReader

pytestmark = pytest.mark.logs_errors
SECRET = "".join(["1", "2", "3"])  # in this form not in the lines of a traceback


def fail() -> None:
    raise KeyError(SECRET)


def test_a_call_that_fails_keeps_none_back(caplog: pytest.LogCaptureFixture) -> None:
    bridge, done = Bridge(), list[str]()
    for call in (fail, lambda: done.append("the next")):
        bridge.call(call)
    assert bridge.wait(5)
    assert done == ["the next"]
    assert "KeyError" in caplog.text
    assert repr(SECRET) not in caplog.text
    bridge.close()


def when_the_roles_are_shown(person: Person) -> None:
    def face(before: State) -> None:
        if person.state is State.CHOOSING_ROLE:
            fail()

    person.conductor.on_change = face


def when_a_worker_is_done(person: Person) -> None:
    person.bridge.call(fail)


@pytest.mark.parametrize("when", [when_the_roles_are_shown, when_a_worker_is_done], ids=lambda when: when.__name__)
def test_a_face_that_fails_ends_the_session_and_the_next_sign_in_works(
    when: Callable[[Person], None], person: Person, slot: Slot, spine: Spine
) -> None:
    slot.insert("three-roles")
    person.sees(State.PASSCODE)
    when(person)
    person.conductor.type_passcode("123456")
    assert person.problem().fault is Fault.UNEXPECTED
    person.conductor.on_change = lambda before: None
    person.conductor.handle(Cue.DISMISSED)
    person.types()
    person.sees(State.CHOOSING_ROLE)


class BrokenReader(EmbeddedReader):
    """Fails the first time it is watched."""

    failed = False

    def watch(self, report: Report) -> None:
        if not self.failed:
            self.failed = True
            fail()
        super().watch(report)


def test_a_reader_that_fails_is_told_and_watched_again(
    spine: Spine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "lanyard")
    monkeypatch.setattr(agent, "WATCH_AGAIN_SECONDS", 0.01)
    person = Person(BrokenReader(0), lambda: Broker(spine.url, spine.ca_file))
    person.waits(lambda: person.states[1:] == [State.NO_READER, State.WAITING], "reader that came back")
    assert person.conductor.problem.fault is Fault.UNEXPECTED
    assert "KeyError in the reader's thread" in caplog.text
    person.close()
