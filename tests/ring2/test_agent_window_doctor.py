"""The button of the first screen that looks at this PC, and what it shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

import agent
from agent import Broker, Settings, State
from demo import EmbeddedReader

GOOD = {"subject": "name", "verdict": "good", "trouble": None, "says": "It is known.", "cure": None}
BAD = {"subject": "port", "verdict": "bad", "trouble": "port_closed", "says": "It is closed.", "cure": "Open it."}
Open = Callable[..., WindowOnScreen]


@pytest.fixture
def open_window(screen: Display, spine: Spine, reader: EmbeddedReader) -> Iterator[Open]:
    """open_window(GOOD, BAD) opens one whose doctor finds this; text that is no finding is said as it is."""
    windows = []

    def open_it(*findings: object, says: str = "") -> WindowOnScreen:
        doctor = [sys.executable, "-c", f"print({says or json.dumps(findings)!r})"]
        window = WindowOnScreen(screen, reader, lambda: Broker(spine.url, spine.ca_file), doctor=doctor)
        windows.append(window)
        return window

    yield open_it
    for window in windows:
        window.close()


def said(window: WindowOnScreen) -> str:
    """What the screen of findings says below its title."""
    return str(window.window.screen._says.get("1.0", "end"))  # type: ignore[attr-defined]


def test_it_shows_what_is_wrong_and_the_way_back(open_window: Open) -> None:
    window = open_window(GOOD, BAD)
    window.clicks("Check this PC")
    window.waits(lambda: "This was found" in window.text())
    assert "port: It is closed.\nOpen it." in said(window)
    assert "It is known." not in said(window)
    window.picture("doctor")
    window.clicks("Back")
    assert "Put your card in" in window.text()


def test_it_says_that_nothing_is_wrong(open_window: Open) -> None:
    window = open_window(GOOD)
    window.clicks("Check this PC")
    window.waits(lambda: "Nothing is wrong with this PC" in window.text())


@pytest.mark.parametrize("says", ["Traceback", "[1, 2]", '[{"verdict": "bad"}]', "{}"])
def test_a_doctor_that_talks_nonsense_is_said_to_have_failed(says: str, open_window: Open) -> None:
    window = open_window(says=says)
    window.clicks("Check this PC")
    window.waits(lambda: "Checking" not in window.text())
    assert "The check failed" in said(window) or says == "{}"


def test_a_card_ends_it(open_window: Open, slot: Slot) -> None:
    window = open_window(BAD)
    window.clicks("Check this PC")
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.waits(lambda: "Type your passcode" in window.text())
    slot.pull()
    window.sees(State.WAITING)
    assert "Put your card in" in window.text()


def test_without_the_kiosk_s_programs_there_is_no_button(window: WindowOnScreen) -> None:
    assert "Check this PC" not in window.text()


def test_the_doctor_is_asked_with_the_settings_of_this_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    command = agent.doctor_command(Settings(spine="https://gas.example", reader="Maker", kiosk=True))
    assert command[2:] == ["--spine=https://gas.example", "--reader=Maker", "--kiosk", "doctor", "--json"]
    agent.make_parser().parse_args(command[2:])
    monkeypatch.setattr(agent, "DOCTOR", Path("/nonexistent"))
    assert agent.doctor_command(Settings()) == []
