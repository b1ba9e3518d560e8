#!/usr/bin/python3
"""Signs in to Lanyard with the eyes shut: by what AT-SPI says of the window, and keys.

    dbus-run-session /usr/bin/python3 tests/examples/eyes_shut.py WRONG RIGHT

Needs python3-pyatspi, at-spi2-core and xdotool (Debian), and accesskit where the agent runs. Types a wrong passcode,
hears how many tries are left, types the right one, takes the second role, and hears how much time is left. Prints what
it hears and does, a line each. This file is an example and a test.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyatspi
from gi.repository import Gio, GLib

PATIENCE = 30  # seconds for what is to happen next
LISTENS = 0.5  # seconds that anybody takes before they do something


class Ears:
    """What a screen reader knows: what was announced, and the tree of the window."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        pyatspi.Registry.registerEventListener(self._announced, "object:announcement")

    def _announced(self, event: Any) -> None:
        self.heard.append(str(event.any_data))
        print("hears:", event.any_data, flush=True)

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            while GLib.MainContext.default().iteration(False):
                pass
            if found := condition():
                return found
            time.sleep(0.02)
        sys.exit(f"nothing of this came: {what}")

    def hears(self, text: str) -> None:
        self.until(text, lambda: any(text in said for said in self.heard))
        self.heard.clear()

    def finds(self, role: str, name: str) -> Any:
        return self.until(f"{role} {name}", lambda: next(things(role, name), None))


def role_of(thing: Any) -> str:
    """The name of a role; Debian 12's AT-SPI says push button where later ones say button."""
    return str(thing.getRoleName()).removeprefix("push ")


def things(role: str, name: str = "") -> Iterator[Any]:
    """All things of Lanyard's window in this role whose names begin with this."""
    for application in pyatspi.Registry.getDesktop(0):
        for window in application or ():
            if str(window.name).startswith("Lanyard"):
                try:
                    yield from (each for each in window if (role_of(each), each.name[: len(name)]) == (role, name))
                    lists = [each for each in window if role_of(each) == "list box"]
                    yield from (row for rows in lists for row in rows if (role_of(row), name) == (role, ""))
                except GLib.Error:  # the screen went while it was looked at
                    return


def is_(thing: Any, state: Any) -> bool:
    return bool(thing.getState().contains(state))


def presses(thing: Any) -> None:
    print("presses:", thing.name, flush=True)
    time.sleep(LISTENS)
    thing.queryAction().doAction(0)


def types(text: str) -> None:
    """Digits and then Enter. The window ignores who is faster than anybody who listens first."""
    subprocess.run(["xdotool", "type", "--delay", "20", text], check=True)
    time.sleep(LISTENS)
    subprocess.run(["xdotool", "key", "Return"], check=True)


def listen() -> None:
    """Tell the desktop that a screen reader runs, as screen readers do."""
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    wanted = GLib.Variant("(ssv)", ("org.a11y.Status", "IsEnabled", GLib.Variant("b", True)))
    where = ("org.a11y.Bus", "/org/a11y/bus", "org.freedesktop.DBus.Properties", "Set")
    bus.call_sync(*where, wanted, None, Gio.DBusCallFlags.NONE, -1, None)


def main(wrong: str, right: str) -> None:
    listen()
    ears = Ears()
    field = ears.finds("password text", "Passcode")
    ears.until("the keyboard on the passcode", lambda: is_(field, pyatspi.STATE_FOCUSED))
    ears.finds("label", "Then press Enter")
    types(wrong)
    ears.hears("tries left")
    types(right)
    ears.hears("Choose your role")
    second = ears.until("two roles", lambda: [*things("list item")][1:2])[0]
    presses(second)
    ears.until("the role chosen", lambda: is_(second, pyatspi.STATE_SELECTED))
    button = ears.finds("button", "Use this role")
    ears.until("the button", lambda: is_(button, pyatspi.STATE_ENABLED))
    presses(button)
    ears.hears("You are signed in")
    ears.finds("label", "Time left")


if __name__ == "__main__":
    main(*sys.argv[1:])
