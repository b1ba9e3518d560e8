"""A card that ends soon: its owner is told once a day, with the address where it is renewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

import agent
from agent import Broker, Contacts, Cue, State
from demo import EmbeddedReader

ENDS, WHERE = "Your card expires in 1", "Renew it at https://renew.example."
Start = Callable[[bool], WindowOnScreen]


@pytest.fixture
def start(screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot, tmp_path: Path) -> Iterator[Start]:
    """The window, in a kiosk or not, with a memory of who was told today."""
    windows: list[WindowOnScreen] = []

    def start(kiosk: bool) -> WindowOnScreen:
        contacts = Contacts("", "https://renew.example")
        window = WindowOnScreen(
            screen, reader, lambda: Broker(spine.url, spine.ca_file), kiosk=kiosk, contacts=contacts
        )
        window.conductor.notices = agent.Notices(tmp_path / "notices.json")
        windows.append(window)
        return window

    yield start
    for window in windows:
        window.close()


def test_in_a_kiosk_it_is_a_screen_of_its_own_once_a_day(start: Start, slot: Slot) -> None:
    window = start(True)
    slot.insert("expiring")
    window.sees(State.PASSCODE)
    window.waits(lambda: ENDS in window.text())
    assert WHERE in window.text()
    window.signs_in()
    window.sees(State.SIGNED_IN)
    window.waits(lambda: "Your card ends soon" in window.text())
    assert WHERE in window.text()
    window.picture("card-ends")
    window.clicks("Go on working")
    window.waits(lambda: "Your card ends soon" not in window.text())
    window.conductor.handle(Cue.LOG_OUT)
    window.conductor.handle(Cue.DISMISSED)
    window.sees(State.PASSCODE)
    assert ENDS not in window.text()
    window.signs_in()
    window.sees(State.SIGNED_IN)
    assert "Your card ends soon" not in window.text()


def test_elsewhere_the_session_goes_on_saying_it(start: Start, slot: Slot) -> None:
    window = start(False)
    for _ in range(2):
        slot.insert("expiring")
        window.signs_in()
        window.sees(State.SIGNED_IN)
        assert ENDS in window.text()
        assert WHERE in window.text()
        slot.pull()
        window.sees(State.WAITING)


def test_who_gave_up_before_signing_in_is_told_again(start: Start, slot: Slot) -> None:
    window = start(False)
    for _ in range(2):
        slot.insert("expiring")
        window.sees(State.PASSCODE)
        window.waits(lambda: ENDS in window.text())
        slot.pull()
        window.sees(State.WAITING)


def test_a_card_with_years_left_says_nothing(start: Start, slot: Slot) -> None:
    window = start(True)
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    assert "expires" not in window.text()
    assert "ends soon" not in window.text()
