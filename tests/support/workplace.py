"""A kiosk's workplace: a screen with other programs' windows, with openbox or without a window manager.

Fixtures: `workplace` (the test's parameter is the window manager, or none), `covering` (the agent's window on it).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import Broker, State
from demo import EmbeddedReader
from support.agent import Slot
from support.machine import TIED_TO_THE_RUN, need, stop, wait_until
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

# A program of somebody else, with a window: what is typed into it is in its file, a line at each Enter.
TYPED = "typed"
GRABBER = """
import signal
from Xlib import X, display
screen = display.Display()
window = screen.screen().root
mode = X.GrabModeAsync
assert window.grab_keyboard(True, mode, mode, X.CurrentTime) == X.GrabSuccess
assert window.grab_pointer(True, 0, mode, mode, X.NONE, X.NONE, X.CurrentTime) == X.GrabSuccess
screen.sync()
print("held", flush=True)
signal.pause()
"""


class Workplace:
    """What else is on the screen, and what an eye sees of it."""

    def __init__(self, display: Display, folder: Path, programs: contextlib.ExitStack) -> None:
        from Xlib.display import Display as XDisplay

        self.display, self._folder, self._programs = display, folder, programs
        self._x = XDisplay(display.name)
        programs.callback(self._x.close)
        self.root = self._x.screen().root

    def start(self, *command: str, **how: Any) -> subprocess.Popen[bytes]:
        """Start a program that ends with the test."""
        process = subprocess.Popen([*TIED_TO_THE_RUN, *command], env=self.display.environment, **how)
        self._programs.callback(stop, process)
        return process

    def manage(self, manager: str) -> None:
        """Start this window manager."""
        need(manager, "wmctrl")
        check = self._x.intern_atom("_NET_SUPPORTING_WM_CHECK")
        for left in (check, self._x.intern_atom("_NET_CURRENT_DESKTOP")):  # by the manager before, on any desktop
            self.root.delete_property(left)
        self._x.sync()
        self.start(manager, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.root.get_full_property(check, 0), what=manager)

    def xterm(self, *options: str) -> int:
        """Start a program with a window, and return that once it shows."""
        need("xterm")
        typed = self._folder / TYPED
        command = ["xterm", "-title", "work", *options, "-e", "sh", "-c", f"cat > {typed}"]
        self.start(*command, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.window("work") and typed.exists(), what="xterm")
        return self.window("work")

    def window(self, title: str) -> int:
        """The id of the window with this title that shows, 0 where there is none."""
        command = ["xdotool", "search", "--onlyvisible", "--name", f"^{title}$"]
        found = self._run(*command)
        return int(found.split()[0]) if found else 0

    def _run(self, *command: str) -> str:
        return subprocess.run(command, env=self.display.environment, capture_output=True, text=True, timeout=10).stdout

    def typed(self) -> str:
        """What other programs have had of the keyboard."""
        file = self._folder / TYPED
        return file.read_text() if file.exists() else ""

    def tool(self, *command: str) -> None:
        subprocess.run(command, env=self.display.environment, check=True, timeout=20)

    def grab(self) -> subprocess.Popen[bytes]:
        """Have another program hold keyboard and pointer until it is stopped."""
        process = self.start(sys.executable, "-c", GRABBER, stdout=subprocess.PIPE)
        assert process.stdout
        with process.stdout:
            assert process.stdout.readline() == b"held\n"
        return process

    def smaller(self) -> str:
        """A mode of 1000x700 pixels that the monitor has from now on."""
        modes = self._run("xrandr")
        if "small " not in modes:
            self.tool("xrandr", "--newmode", "small", "30", *map(str, (1000, 1016, 1112, 1264, 700, 703, 709, 748)))
            self.tool("xrandr", "--addmode", "screen", "small")
        return "small"

    def outermost(self, window: int) -> int:
        """The id of the child of the root that this window is in."""
        parent, each = self._x.create_resource_object("window", window), None
        while parent != self.root:
            parent, each = parent.query_tree().parent, parent
        return int(each.id) if each else 0

    def on_top(self, x: int, y: int) -> int:
        """The id of the topmost window that shows at a point: a child of the root."""
        from Xlib.error import BadDrawable, BadWindow

        for window in reversed(self.root.query_tree().children):
            with contextlib.suppress(BadDrawable, BadWindow):  # it has just gone
                place = window.get_geometry()
                across, down = x - place.x, y - place.y
                if window.get_attributes().map_state and 0 <= across < place.width and 0 <= down < place.height:
                    return int(window.id)
        return 0

    def selections(self) -> list[str]:
        """The selections that a program offers."""
        names = ("PRIMARY", "SECONDARY", "CLIPBOARD")
        return [name for name in names if self._x.get_selection_owner(self._x.intern_atom(name))]

    def select_and_copy(self) -> None:
        """Have somebody's program offer text to paste, in every way."""
        self._owner = self.root.create_window(0, 0, 1, 1, 0, 0)
        for name in ("PRIMARY", "SECONDARY", "CLIPBOARD"):
            self._owner.set_selection_owner(self._x.intern_atom(name), 0)
        self._x.sync()


@pytest.fixture
def workplace(
    request: pytest.FixtureRequest, displays: Callable[[str], Display], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    """A screen with the window manager that the test's parameter names, or without one."""
    need("tkinter", "Xlib", "xdotool", "xrandr")
    manager, size = getattr(request, "param", ""), "1280x800"
    display = displays(size)
    monkeypatch.setenv("DISPLAY", display.name)
    with contextlib.ExitStack() as programs:
        workplace = Workplace(display, tmp_path, programs)
        if manager:
            workplace.manage(manager)
        yield workplace


class KioskWindow(WindowOnScreen):
    """The window of a kiosk at a workplace."""

    def __init__(self, workplace: Workplace, reader: EmbeddedReader, spine: Spine, **look: Any) -> None:
        self.workplace = workplace
        super().__init__(workplace.display, reader, lambda: Broker(spine.url, spine.ca_file), kiosk=True, **look)

    def covers(self) -> bool:
        """Whether the whole screen shows nothing but the agent's cover."""
        size = self.workplace.root.get_geometry()
        corners = [(x, y) for x in (0, size.width - 1) for y in (0, size.height - 1)]
        return {self.workplace.on_top(*corner) for corner in corners} == {
            self.workplace.outermost(self.root.winfo_id())
        }

    def has_keyboard(self) -> bool:
        """Whether what is typed now is typed here."""
        return self.root.focus_displayof() is not None and self.root.grab_current() is not None

    def works(self) -> None:
        """Wait until the person is signed in and the bar shows."""
        self.sees(State.SIGNED_IN)
        self.waits(lambda: not self.root.winfo_viewable())
        self.waits(lambda: "Log out" in self.text())


@pytest.fixture
def covering(workplace: Workplace, reader: EmbeddedReader, slot: Slot, spine: Spine) -> Iterator[KioskWindow]:
    """The window of a kiosk, waiting for a card from `slot`."""
    window = KioskWindow(workplace, reader, spine)
    yield window
    window.close()
