"""What holds up a sign-in, and what has failed around the agent, where people see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.agent import Slot
from support.kiosk_screens import session_bar
from support.machine import need
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

import agent
from agent import Broker, Contacts, State
from demo import EmbeddedReader

FAILED = "browser has ended with exit code 1."


@pytest.fixture
def kiosk_window(screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot) -> Iterator[WindowOnScreen]:
    need("Xlib")
    look = {"kiosk": True, "contacts": Contacts("01000 555 000", "")}
    window = WindowOnScreen(screen, reader, lambda: Broker(spine.url, spine.ca_file), **look)
    yield window
    window.close()


def test_what_holds_up_a_sign_in_is_said_and_it_goes_on_by_itself(kiosk_window: WindowOnScreen, slot: Slot) -> None:
    kiosk_window.conductor.hold(agent.HOOKS_AWAY)
    slot.insert("one-role")
    kiosk_window.signs_in()
    kiosk_window.sees(State.SIGNING_IN)
    kiosk_window.waits(lambda: agent.HOOKS_AWAY in kiosk_window.text())
    assert "Service desk: 01000 555 000." in kiosk_window.text()
    kiosk_window.picture("kiosk-held")
    kiosk_window.conductor.hold("")
    kiosk_window.sees(State.SIGNED_IN)
    kiosk_window.waits(lambda: agent.HOOKS_AWAY not in kiosk_window.text())


def test_what_is_over_at_once_is_not_shown(kiosk_window: WindowOnScreen) -> None:
    shown: list[str] = []
    kiosk_window.window.notice.bind("<Map>", lambda event: shown.append("shown"))
    kiosk_window.conductor.hold(agent.PROGRAMS_END)
    kiosk_window.conductor.hold("")
    done: list[bool] = []
    kiosk_window.root.after(2 * agent.PROGRESS_AFTER_MS, done.append, True)
    kiosk_window.waits(lambda: done)
    assert shown == []


def test_a_failed_program_is_named_in_the_bar_and_until_the_next_person(
    kiosk_window: WindowOnScreen, slot: Slot
) -> None:
    session_bar(kiosk_window, slot)
    kiosk_window.conductor.warn(FAILED)
    kiosk_window.waits(lambda: FAILED in kiosk_window.text())
    kiosk_window.picture("kiosk-failed-program")
    slot.pull()
    kiosk_window.sees(State.WAITING)
    assert FAILED in kiosk_window.text()
    slot.insert("one-role")
    kiosk_window.signs_in()
    kiosk_window.sees(State.SIGNED_IN)
    kiosk_window.waits(lambda: FAILED not in kiosk_window.text())
