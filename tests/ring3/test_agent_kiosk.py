"""A kiosk's window among other programs' windows, with openbox and without a window manager: nothing gets past it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.agent import Slot
from support.desktop import Desktop, Kiosk
from support.machine import stop

from agent import State

Disturbance = Callable[[Kiosk, Desktop], None]
MANAGERS = ["", "openbox"]


def keys(*names: str) -> Disturbance:
    return lambda kiosk, desktop: desktop.display.key(*names)


def tool(*command: str) -> Disturbance:
    """xdotool's or wmctrl's command, about the window that is to get in front."""

    def disturb(kiosk: Kiosk, desktop: Desktop) -> None:
        desktop.tool(*(each.replace("WORK", str(desktop.window("work"))) for each in command))

    return disturb


def another_window(kiosk: Kiosk, desktop: Desktop) -> None:
    desktop.start("xterm", "-title", "rival", "-geometry", "80x24+0+0", "-e", "cat")
    kiosk.waits(lambda: desktop.window("rival"))


def unmapping(kiosk: Kiosk, desktop: Desktop) -> None:
    desktop.tool("xdotool", "windowunmap", str(desktop.outermost(kiosk.root.winfo_id())))


def closing(kiosk: Kiosk, desktop: Desktop) -> None:
    kiosk.root.tk.eval(kiosk.root.protocol("WM_DELETE_WINDOW"))


ANYWHERE = {
    "alt+F4": keys("alt+F4"),
    "another window": another_window,
    "raised": tool("xdotool", "windowraise", "WORK"),
    "moved": tool("xdotool", "windowmove", "WORK", "0", "0"),
    "unmapped": unmapping,
    "closed": closing,
}
MANAGED = {
    "super+d": keys("super+d"),
    "alt+Tab": keys("alt+Tab"),
    "ctrl+alt+Left": keys("ctrl+alt+Left"),
    "ctrl+alt+Right": keys("ctrl+alt+Right"),
    "alt+space": keys("alt+space"),
    "topmost": tool("wmctrl", "-i", "-r", "WORK", "-b", "add,above"),
    "full screen": tool("wmctrl", "-i", "-r", "WORK", "-b", "add,fullscreen"),
    "activated": tool("wmctrl", "-i", "-a", "WORK"),
    "another desktop": tool("wmctrl", "-s", "1"),
    "show the desktop": tool("wmctrl", "-k", "on"),
}
CASES = [
    pytest.param(manager, disturb, id=f"{name}, {manager or 'no manager'}")
    for manager, disturbances in (("", ANYWHERE), ("openbox", ANYWHERE | MANAGED))
    for name, disturb in disturbances.items()
]


@pytest.mark.parametrize(("desktop", "disturb"), CASES, indirect=["desktop"])
def test_nothing_comes_before_the_cover_and_the_passcode_goes_nowhere_else(
    desktop: Desktop, kiosk: Kiosk, slot: Slot, disturb: Disturbance
) -> None:
    kiosk.waits(kiosk.covers)
    desktop.xterm()
    kiosk.waits(kiosk.covers)
    disturb(kiosk, desktop)
    kiosk.waits(lambda: kiosk.covers() and kiosk.has_keyboard())
    slot.insert("one-role")
    kiosk.signs_in()
    kiosk.works()
    assert not desktop.typed()


@pytest.mark.parametrize("desktop", MANAGERS, indirect=True)
def test_a_window_that_takes_the_keyboard_does_not_get_the_passcode(desktop: Desktop, kiosk: Kiosk, slot: Slot) -> None:
    desktop.tool("xdotool", "windowfocus", str(desktop.xterm()))
    slot.insert("one-role")
    kiosk.signs_in()
    kiosk.works()
    assert not desktop.typed()


@pytest.mark.parametrize("desktop", MANAGERS, indirect=True)
def test_the_keyboard_is_taken_as_soon_as_another_program_lets_go_of_it(
    desktop: Desktop, kiosk: Kiosk, slot: Slot
) -> None:
    slot.insert("one-role")
    kiosk.signs_in()
    kiosk.works()
    holder = desktop.grab()
    slot.pull()
    kiosk.sees(State.WAITING)
    kiosk.waits(kiosk.covers)
    assert not kiosk.root.grab_current()
    slot.insert("one-role")
    kiosk.sees(State.PASSCODE)
    stop(holder)
    kiosk.waits(kiosk.has_keyboard)
    kiosk.signs_in()
    kiosk.works()


@pytest.mark.parametrize("desktop", MANAGERS, indirect=True)
def test_who_works_gets_the_keyboard_back_where_it_was(desktop: Desktop, kiosk: Kiosk, slot: Slot) -> None:
    slot.insert("one-role")
    kiosk.signs_in()
    kiosk.works()
    desktop.tool("xdotool", "windowfocus", "--sync", str(desktop.xterm()))
    kiosk.conductor.on_show()
    kiosk.waits(kiosk.covers)
    kiosk.clicks("Go on working")
    kiosk.works()
    kiosk.types("notes")
    desktop.display.key("Return")
    kiosk.waits(lambda: desktop.typed() == "notes\n")


@pytest.mark.parametrize("desktop", MANAGERS, indirect=True)
def test_nobody_can_paste_what_somebody_before_them_copied(desktop: Desktop, kiosk: Kiosk, slot: Slot) -> None:
    desktop.select_and_copy()
    slot.insert("one-role")
    kiosk.sees(State.PASSCODE)
    kiosk.presses("ctrl+v", "shift+Insert")
    x, y = kiosk.passcode_field().winfo_rootx() + 5, kiosk.passcode_field().winfo_rooty() + 5
    desktop.tool("xdotool", "mousemove", str(x), str(y), "click", "2")
    kiosk.catches_up()
    assert not kiosk.passcode_field().get()
    kiosk.signs_in()
    kiosk.works()
    assert not desktop.selections()
