"""What of a parked person's programs is on the screen, and who has the keyboard then: on a real X server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.hooks import A, B, Kept, python, states
from support.machine import need, wait_until
from support.screen import Display

# A red window, and what else the program does once it is on the screen.
SHOWS = """
import os, tkinter
from Xlib import X, display
root = tkinter.Tk()
root.configure(background="#ff0000")
root.geometry("300x200+40+60")
root.wait_visibility()
d = display.Display()
async_ = X.GrabModeAsync
def grab(window):
    keyboard = window.grab_keyboard(False, async_, async_, X.CurrentTime)
    pointer = window.grab_pointer(False, 0, async_, async_, 0, 0, X.CurrentTime)
    d.sync()
    open(os.environ["LANYARD_SESSION_DIR"] + "/grabbed", "w").write(str((keyboard, pointer)))
{then}
root.mainloop()
"""
GRABS_ROOT = "grab(d.screen().root)"
GRABS_WINDOW = "grab(d.create_resource_object('window', root.winfo_id()))"
DRAWS_AGAIN = """
def again():
    root.lift()
    root.after(20, again)
again()
"""
RED = "#FF0000"


@pytest.fixture
def screen(kept: Kept, displays: Callable[[str], Display]) -> Display:
    need("Xlib", "tkinter")
    screen = displays("1024x768")
    kept.environment = {"DISPLAY": screen.name}
    return screen


@pytest.fixture
def server(screen: Display) -> Iterator[Any]:
    """Yield a connection of the test's own to the X server."""
    from Xlib import display

    with contextlib.closing(display.Display(screen.name)) as server:
        yield server


def shows(then: str = "") -> dict[str, Any]:
    return {"name": "red", "command": python(SHOWS.replace("{then}", then))}


def is_red(screen: Display) -> bool:
    return RED in screen.colours()


def is_free(server: Any) -> bool:
    """Whether nobody holds the keyboard, seen by taking it for a moment, as the agent's screen does."""
    from Xlib import X

    root = server.screen().root
    got = root.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
    server.ungrab_keyboard(X.CurrentTime)
    server.sync()
    return bool(got == X.GrabSuccess)


def start(kept: Kept, screen: Display, *programs: dict[str, Any]) -> None:
    assert not is_red(screen)
    kept.configure(*programs)
    kept.start()
    kept.tell("signed_in")
    wait_until(lambda: is_red(screen), what="the program's window")


def has_grabbed(kept: Kept) -> None:
    grabbed = kept.session_folder() / "grabbed"
    wait_until(lambda: grabbed.exists() and grabbed.read_text() == "(0, 0)", what="a grab of keyboard and pointer")


def test_a_parked_persons_windows_are_off_the_screen_until_they_are_back(kept: Kept, screen: Display) -> None:
    start(kept, screen, shows(DRAWS_AGAIN))
    kept.tell("locked", reason="card_out")
    assert is_red(screen)  # the agent covers it
    kept.tell("locked", reason="parked")
    assert not is_red(screen)
    kept.tell("signed_in", B)
    kept.tell("signed_out", B)
    assert not is_red(screen)
    kept.tell("resumed")
    wait_until(lambda: is_red(screen), what="the window again")


def test_another_persons_windows_stay(kept: Kept, screen: Display) -> None:
    start(kept, screen, shows())
    kept.tell("locked", reason="parked")
    assert not is_red(screen)
    kept.tell("signed_in", B)
    wait_until(lambda: is_red(screen), what="the second person's window")
    kept.tell("signed_out", A, reason="time_up")
    assert is_red(screen)


def test_a_window_that_grabs_loses_its_grab_and_lives(kept: Kept, screen: Display, server: Any) -> None:
    """An open menu is such a one."""
    start(kept, screen, shows(GRABS_WINDOW))
    has_grabbed(kept)
    kept.has_keyboard = lambda: is_free(server)
    assert not is_free(server)
    assert "failed" not in kept.tell("locked", reason="card_out")
    assert is_free(server)
    assert kept.running()
    kept.tell("resumed")
    wait_until(lambda: is_red(screen), what="the window again")


@pytest.mark.parametrize("reason", ["card_out", "parked"])
def test_a_program_that_keeps_the_keyboard_is_ended(kept: Kept, screen: Display, server: Any, reason: str) -> None:
    """Stopped or not, it would lock the screen for everybody. Others go on."""
    start(kept, screen, shows(GRABS_ROOT), {"name": "other", "command": ["sleep", "1000"]})
    has_grabbed(kept)
    kept.has_keyboard = lambda: is_free(server)
    assert not is_free(server)
    kept.tell("locked", reason=reason)
    said = [answer.get("failed") for answer in kept.done]
    assert "A program that held the keyboard of the locked screen was ended." in said
    assert is_free(server)
    (other,) = kept.running()
    assert states([other]) == {"T" if reason == "parked" else "S"}


def test_nobody_is_ended_for_the_agents_own_grab(kept: Kept, screen: Display, server: Any) -> None:
    from Xlib import X

    start(kept, screen, shows())
    server.screen().root.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
    server.sync()
    assert "failed" not in kept.tell("locked", reason="parked")
    assert states(kept.running()) == {"T"}
    server.ungrab_keyboard(X.CurrentTime)
    server.sync()


def test_on_wayland_programs_are_ended(kept: Kept) -> None:
    kept.environment = {"WAYLAND_DISPLAY": "wayland-0"}
    kept.configure({"name": "p", "command": ["sleep", "1000"]})
    kept.start()
    kept.tell("signed_in")
    assert "On Wayland" in kept.tell("locked", reason="parked")["failed"]
    assert kept.running() == []


def test_a_display_that_has_gone_costs_the_programs_and_nothing_else(kept: Kept) -> None:
    kept.environment = {"DISPLAY": ":9999"}
    kept.configure({"name": "p", "command": ["sleep", "1000"]})
    kept.start()
    kept.tell("signed_in")
    assert "display cannot be reached" in kept.tell("locked", reason="parked")["failed"]
    assert kept.running() == []
    kept.tell("resumed")
    assert len(kept.running()) == 1
