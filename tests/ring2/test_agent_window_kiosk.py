"""A kiosk's screens: their size on small and large monitors, and that a second key or click does nothing on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.agent_program import run_agent
from support.agent_screens import VISITS, Visit
from support.kiosk_screens import KIOSK_VISITS, asked_to_stay, session_bar
from support.machine import need
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen, text_of

from agent import SETTLE_SECONDS, TOUCH, Broker, Mode, State, is_wayland
from demo import EmbeddedReader

MONITORS = ["1024x768", "1920x1080", "3840x2160"]
# Who has signed in sees no screen at a kiosk, but the bar.
OTHERWISE = "signed_in", "without_role", "signed_out", "unlocking_session", "locked", "changing_role"
ALL = [visit for visit in VISITS if visit.__name__ not in OTHERWISE] + KIOSK_VISITS
all_screens = pytest.mark.parametrize("visit", ALL, ids=lambda visit: visit.__name__)


@pytest.fixture
def kiosk_window(screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot) -> Iterator[WindowOnScreen]:
    need("Xlib")
    mode = Mode.SESSION_LOCK_PERSISTENCE
    window = WindowOnScreen(screen, reader, lambda: Broker(spine.url, spine.ca_file), mode, kiosk=True)
    yield window
    window.close()


@pytest.mark.parametrize("display", MONITORS, indirect=True)
@all_screens
def test_nothing_is_cut_off_and_every_button_is_large_enough_to_touch(
    kiosk_window: WindowOnScreen, slot: Slot, display: Display, visit: Visit
) -> None:
    """With the usual text, and with text twice as large. `tox -e pictures` shows what it looks like."""
    window = kiosk_window
    visit(window, slot)
    for larger in (1, 2):
        window.window.zoom(larger)
        window.root.update()
        wide, high = window.root.winfo_width(), window.root.winfo_height()
        for widget in window.widgets():
            assert widget.winfo_rootx() + widget.winfo_width() <= wide, text_of(widget)
            assert widget.winfo_rooty() + widget.winfo_height() <= high, text_of(widget)
            if widget.winfo_class() in ("TLabel", "TButton"):
                assert widget.winfo_width() >= widget.winfo_reqwidth(), text_of(widget)
                assert widget.winfo_height() >= widget.winfo_reqheight(), text_of(widget)
            if widget.winfo_class() == "TButton":
                assert widget.winfo_height() >= TOUCH, text_of(widget)
                assert widget.winfo_width() >= TOUCH, text_of(widget)


def situation(window: WindowOnScreen) -> tuple[object, ...]:
    attempt = window.conductor.attempt
    return window.conductor.state, attempt, attempt and attempt.signed_in, type(window.window.screen)


@pytest.mark.parametrize("visit", KIOSK_VISITS, ids=lambda visit: visit.__name__)
def test_every_key_and_click_pressed_twice_within_400_ms_does_nothing(
    kiosk_window: WindowOnScreen, slot: Slot, visit: Visit
) -> None:
    visit(kiosk_window, slot)
    before = situation(kiosk_window)
    for key in ("Return", "KP_Enter", "space"):
        kiosk_window.presses(key, key, after=0)
    kiosk_window.now += SETTLE_SECONDS - 0.01
    for button in kiosk_window.buttons():
        kiosk_window.clicks(text_of(button), after=0)
        kiosk_window.clicks(text_of(button), after=0)
    for key in ("Return", "KP_Enter", "space"):
        kiosk_window.presses(key, key, after=0)
    kiosk_window.root.update()
    assert situation(kiosk_window) == before


def test_the_bar_says_who_and_marks_the_last_minutes(kiosk_window: WindowOnScreen, slot: Slot) -> None:
    session_bar(kiosk_window, slot)
    assert "Amara Okafor" in kiosk_window.text()
    signed_in = kiosk_window.conductor.signed_in()
    kiosk_window.conductor.clock = lambda: signed_in.limit()[0] - 299
    kiosk_window.conductor.on_request()
    kiosk_window.waits(lambda: "5 minutes" in kiosk_window.text())
    styles = [str(each.cget("style")) for each in kiosk_window.widgets() if each.winfo_class() == "TLabel"]
    assert "Amber.Session.TLabel" in styles


def test_who_wants_to_stay_works_on_and_is_asked_once(kiosk_window: WindowOnScreen, slot: Slot) -> None:
    asked_to_stay(kiosk_window, slot)
    kiosk_window.clicks(next(text_of(each) for each in kiosk_window.buttons() if text_of(each) != "Log out"))
    kiosk_window.waits(lambda: "Change role" in kiosk_window.text())
    kiosk_window.conductor.on_request()
    assert "Change role" in kiosk_window.text()


def test_a_role_is_changed_without_signing_in_again(kiosk_window: WindowOnScreen, slot: Slot) -> None:
    session_bar(kiosk_window, slot)
    ticket, before = kiosk_window.session.ticket, kiosk_window.conductor.signed_in().role
    kiosk_window.clicks("Change role")
    kiosk_window.presses("Down", "Down", "Return")
    kiosk_window.waits(lambda: kiosk_window.conductor.signed_in().role != before)
    kiosk_window.waits(lambda: "Change role" in kiosk_window.text())
    assert kiosk_window.session.ticket == ticket


def test_without_python_xlib_it_says_so(display: Display, tmp_path: Path) -> None:
    (tmp_path / "Xlib.py").write_text("raise ImportError")
    about = {"DISPLAY": display.name, "PYTHONPATH": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = run_agent("--spine", "https://127.0.0.1:9", "--kiosk", **about)
    assert done.returncode == 2
    assert "python3-xlib" in done.stderr


@pytest.mark.parametrize(
    "environment", [{"WAYLAND_DISPLAY": "wayland-0"}, {"XDG_SESSION_TYPE": "wayland"}, {}], ids=["display", "type", ""]
)
def test_wayland_is_known_by_either_variable(environment: dict[str, str]) -> None:
    assert is_wayland(environment) == bool(environment)


def test_who_logs_out_in_the_bar_leaves_a_covered_screen(kiosk_window: WindowOnScreen, slot: Slot) -> None:
    session_bar(kiosk_window, slot)
    kiosk_window.clicks("Log out")
    kiosk_window.sees(State.SIGNED_OUT)
    kiosk_window.waits(kiosk_window.root.winfo_viewable)
    assert "Amara Okafor" not in kiosk_window.text()
