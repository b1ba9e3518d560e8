"""A virtual screen of the tests' own, with a keyboard and a mouse."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.machine import TIED_TO_THE_RUN, need, program, stop, unavailable


class Display:
    """A screen without a window manager, with a keyboard and a mouse."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment for a program that shall open its windows here."""
        return {**os.environ, "DISPLAY": self.name}

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole screen; the file's name says in which format."""
        command = ["import", "-window", "root", str(path)]
        subprocess.run(command, env=self.environment, check=True, timeout=90)  # a large one, on a busy machine

    def colours(self) -> str:
        """Return each colour that the screen shows and the number of its pixels, as ImageMagick lists them."""
        command = ["import", "-window", "root", "-depth", "8", "-format", "%c", "histogram:info:-"]
        done = subprocess.run(command, env=self.environment, check=True, timeout=20, capture_output=True, text=True)
        return done.stdout

    def type(self, text: str) -> None:
        """Press the keys that make this text, in the window that has the keyboard."""
        self._run("xdotool", "type", "--delay", "10", text)

    def key(self, *names: str) -> None:
        """Press keys by their X names, one after another: Return, Tab, ctrl+a."""
        self._run("xdotool", "key", *names)

    def point(self, x: int, y: int) -> None:
        """Move the mouse to a point of the screen: without a window manager, its window has the keyboard."""
        self._run("xdotool", "mousemove", str(x), str(y))

    def click(self, x: int, y: int) -> None:
        """Move the mouse to a point of the screen and press its first button."""
        self._run("xdotool", "mousemove", str(x), str(y), "click", "1")

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, timeout=20)


@contextlib.contextmanager
def own_display(size: str = "1024x768") -> Iterator[Display]:
    """Run a virtual screen on a free number."""
    need("Xvfb", "xdotool", "import", "setpriv")
    reading, writing = os.pipe()
    command = [str(program("Xvfb")), "-displayfd", str(writing), "-screen", "0", f"{size}x24"]
    server = subprocess.Popen(
        [*TIED_TO_THE_RUN, *command, "-nolisten", "tcp", "-noreset"], pass_fds=[writing], stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as numbers:
            number = numbers.readline().strip()
        if not number:
            unavailable("Xvfb does not run here")
        yield Display(f":{number}")
    finally:
        stop(server)


@pytest.fixture(scope="session")
def displays() -> Iterator[Callable[[str], Display]]:
    """Virtual screens by their size. They stay to the end: Xlib ends a process whose screen goes."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda size: stack.enter_context(own_display(size)))


@pytest.fixture
def display(request: pytest.FixtureRequest, displays: Callable[[str], Display]) -> Display:
    """A virtual screen of 1024x768, or of the size the test's parameter names."""
    return displays(getattr(request, "param", "1024x768"))
