"""A kiosk's window among other programs' windows, with openbox and without a window manager: nothing gets past it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.agent import Slot
from support.machine import stop
from support.workplace import KioskWindow, Workplace

import agent
from agent import State

Disturbance = Callable[[KioskWindow, Workplace], None]
MANAGERS = ["", "openbox"]


def keys(*names: str) -> Disturbance:
    return lambda window, workplace: workplace.display.key(*names)


def tool(*command: str) -> Disturbance:
    """xdotool's or wmctrl's command, about the window that is to get in front."""

    def disturb(covering: KioskWindow, workplace: Workplace) -> None:
        workplace.tool(*(each.replace("WORK", str(workplace.window("work"))) for each in command))

    return disturb


def another_window(covering: KioskWindow, workplace: Workplace) -> None:
    workplace.start("xterm", "-title", "rival", "-geometry", "80x24+0+0", "-e", "cat")
    covering.waits(lambda: workplace.window("rival"))


def unmapping(covering: KioskWindow, workplace: Workplace) -> None:
    workplace.tool("xdotool", "windowunmap", str(workplace.outermost(covering.root.winfo_id())))


def closing(covering: KioskWindow, workplace: Workplace) -> None:
    covering.root.tk.eval(covering.root.protocol("WM_DELETE_WINDOW"))


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


@pytest.mark.parametrize(("workplace", "disturb"), CASES, indirect=["workplace"])
def test_nothing_comes_before_the_cover_and_the_passcode_goes_nowhere_else(
    workplace: Workplace, covering: KioskWindow, slot: Slot, disturb: Disturbance
) -> None:
    covering.waits(covering.covers)
    workplace.xterm()
    covering.waits(covering.covers)
    disturb(covering, workplace)
    covering.waits(lambda: covering.covers() and covering.has_keyboard())
    slot.insert("one-role")
    covering.signs_in()
    covering.works()
    assert not workplace.typed()


@pytest.mark.parametrize("workplace", MANAGERS, indirect=True)
def test_a_window_that_takes_the_keyboard_does_not_get_the_passcode(
    workplace: Workplace, covering: KioskWindow, slot: Slot
) -> None:
    workplace.tool("xdotool", "windowfocus", str(workplace.xterm()))
    slot.insert("one-role")
    covering.signs_in()
    covering.works()
    assert not workplace.typed()


@pytest.mark.parametrize("workplace", MANAGERS, indirect=True)
def test_the_keyboard_is_taken_as_soon_as_another_program_lets_go_of_it(
    workplace: Workplace, covering: KioskWindow, slot: Slot
) -> None:
    slot.insert("one-role")
    covering.signs_in()
    covering.works()
    holder = workplace.grab()
    slot.pull()
    covering.sees(State.WAITING)
    covering.waits(covering.covers)
    assert not covering.root.grab_current()
    slot.insert("one-role")
    covering.sees(State.PASSCODE)
    stop(holder)
    covering.waits(covering.has_keyboard)
    covering.signs_in()
    covering.works()


@pytest.mark.logs_errors
def test_an_error_does_not_end_the_tries_to_take_the_keyboard(
    workplace: Workplace, covering: KioskWindow, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot.insert("one-role")
    covering.signs_in()
    covering.works()
    failures: list[int] = []
    holds = agent.Cover._nobody_grabs

    def fails_twice(cover: agent.Cover) -> bool:
        if len(failures) < 2:
            failures.append(1)
            raise RuntimeError
        return holds(cover)

    monkeypatch.setattr(agent, "FAILED_AGAIN_MS", 10)
    monkeypatch.setattr(agent.Cover, "_nobody_grabs", fails_twice)
    slot.pull()
    covering.waits(lambda: len(failures) == 2 and covering.has_keyboard())


@pytest.mark.parametrize("workplace", MANAGERS, indirect=True)
def test_who_works_gets_the_keyboard_back_where_it_was(workplace: Workplace, covering: KioskWindow, slot: Slot) -> None:
    slot.insert("one-role")
    covering.signs_in()
    covering.works()
    workplace.tool("xdotool", "windowfocus", "--sync", str(workplace.xterm()))
    covering.conductor.on_show()
    covering.waits(covering.covers)
    covering.clicks("Go on working")
    covering.works()
    covering.types("notes")
    workplace.display.key("Return")
    covering.waits(lambda: workplace.typed() == "notes\n")


@pytest.mark.parametrize("workplace", MANAGERS, indirect=True)
def test_nobody_can_paste_what_somebody_before_them_copied(
    workplace: Workplace, covering: KioskWindow, slot: Slot
) -> None:
    workplace.select_and_copy()
    slot.insert("one-role")
    covering.sees(State.PASSCODE)
    covering.presses("ctrl+v", "shift+Insert")
    x, y = covering.passcode_field().winfo_rootx() + 5, covering.passcode_field().winfo_rooty() + 5
    workplace.tool("xdotool", "mousemove", str(x), str(y), "click", "2")
    covering.catches_up()
    assert not covering.passcode_field().get()
    covering.signs_in()
    covering.works()
    assert not workplace.selections()


def bar_of(window: KioskWindow) -> Any:
    (bar,) = (each for each in window.root.winfo_children() if each.winfo_class() == "Toplevel")
    return bar


@pytest.mark.parametrize("workplace", ["openbox"], indirect=True)
def test_maximised_windows_leave_room_for_the_bar_on_every_desktop(
    workplace: Workplace, covering: KioskWindow, slot: Slot
) -> None:
    slot.insert("one-role")
    covering.signs_in()
    covering.works()
    workplace.xterm("-maximized")
    bar = bar_of(covering)
    covering.waits(lambda: workplace.on_top(5, 5) == workplace.outermost(bar.winfo_id()))
    covering.waits(lambda: workplace.on_top(5, bar.winfo_height() + 5) == workplace.outermost(workplace.window("work")))
    covering.picture("bar-openbox")
    workplace.tool("wmctrl", "-s", "1")
    covering.waits(lambda: not workplace.window("work"))
    covering.waits(lambda: workplace.on_top(5, 5) == workplace.outermost(bar.winfo_id()))


def test_without_a_window_manager_the_bar_stays_on_top(workplace: Workplace, covering: KioskWindow, slot: Slot) -> None:
    slot.insert("one-role")
    covering.signs_in()
    covering.works()
    bar = workplace.outermost(bar_of(covering).winfo_id())
    work = workplace.xterm("-geometry", "200x60+0+0")
    covering.waits(lambda: workplace.on_top(5, 5) == bar)
    workplace.tool("xdotool", "windowraise", str(work))
    covering.waits(lambda: workplace.on_top(5, 5) == bar)
    assert workplace.on_top(5, 100) == work


def test_on_two_monitors_both_are_covered_and_the_first_shows_the_screen(
    workplace: Workplace, covering: KioskWindow, slot: Slot
) -> None:
    workplace.tool("xrandr", "--setmonitor", "*RIGHT", "640/200x800/200+640+0", "screen")
    workplace.tool("xrandr", "--setmonitor", "LEFT", "640/200x800/200+0+0", "none")
    try:
        stage = covering.window.stage
        covering.waits(lambda: (stage.winfo_rootx(), stage.winfo_width()) == (640, 640))
        assert covering.covers()
        slot.insert("one-role")
        covering.signs_in()
        covering.works()
        bar = bar_of(covering)
        covering.waits(lambda: (bar.winfo_rootx(), bar.winfo_width()) == (640, 640))
    finally:
        for monitor in ("LEFT", "RIGHT"):
            workplace.tool("xrandr", "--delmonitor", monitor)
    covering.waits(lambda: (stage.winfo_x(), stage.winfo_width()) == (0, 1280))


@pytest.mark.parametrize("works", [False, True], ids=["waiting", "signed in"])
def test_a_monitor_that_comes_back_at_another_size_is_followed(
    workplace: Workplace, covering: KioskWindow, slot: Slot, works: bool
) -> None:
    if works:
        slot.insert("one-role")
        covering.signs_in()
        covering.works()
    for wide, mode in ((1000, workplace.smaller()), (1280, "1280x800")):
        workplace.tool("xrandr", "--output", "screen", "--mode", mode)
        shown = bar_of(covering) if works else covering.window.stage
        covering.waits(lambda shown=shown, wide=wide: shown.winfo_width() == wide)  # type: ignore[misc]
        assert works or covering.covers()
