"""The windows of a session's programs on X11: taken off the screen while its person is away, and shown again.

Whose a window is, the X server says: which process is at the other end of the connection that made it (X-Resource
extension 1.2, QueryClientIds). What a window says of itself is not asked.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import KioskError, libraries

SETTLING_SECONDS = 0.3
"""How long the agent, which tries again and again, is given to get the keyboard."""


class NoWindows(KioskError):
    """Windows cannot be taken off this display: another kind of display than X11, or no library for it."""


@dataclass(frozen=True)
class Hidden:
    """A window that was on the screen: its number, its place, and what the window manager made of it."""

    window: int
    place: tuple[int, int, int, int]
    states: tuple[int, ...]


class Windows:
    """A connection to the X server."""

    def __init__(self) -> None:
        """Raises NoWindows, MissingLibrary."""
        with libraries():
            from Xlib import X, display, error
            from Xlib.ext import res
        self._x, self._error, self._mask = X, error, res.LocalClientPIDMask
        try:
            self._display: Any = display.Display()
        except (error.DisplayError, OSError) as problem:
            raise NoWindows(f"The display cannot be reached: {' '.join(str(problem).split())}.") from None
        if not self._display.has_extension("X-Resource"):
            raise NoWindows("The X server does not tell whose a window is.")
        self._display.set_error_handler(lambda *_: None)  # of requests for a window that has just gone

    def close(self) -> None:
        with contextlib.suppress(self._error.ConnectionClosedError, OSError):
            self._display.close()

    def hide(self, pids: Collection[int]) -> list[Hidden]:
        """Take every window of these processes off the screen. A grab that began in one of them ends with that."""
        with self._whole():
            found = [hidden for window in self._theirs(self._clients(pids)) if (hidden := self._look(window))]
            for hidden in found:
                self._window(hidden.window).unmap()
            self._display.sync()
        return found

    def show(self, hidden: Collection[Hidden]) -> None:
        """Put the windows back where they were, those that are still there."""
        state = self._display.intern_atom("_NET_WM_STATE")
        with self._whole():
            for each in hidden:
                window, (x, y, width, height) = self._window(each.window), each.place
                window.change_property(state, self._display.intern_atom("ATOM"), 32, each.states)
                window.configure(x=x, y=y, width=width, height=height)
                window.map()
            self._display.sync()

    def break_grabs(self, pids: Collection[int], is_ours: Callable[[], bool]) -> list[int]:
        """End these processes one after another until none holds keyboard or pointer; return which were ended.

        The server does not tell who holds them. `is_ours` says whether it is the agent.
        """
        ended: list[int] = []
        with self._whole():
            for _, _, pid in self._clients(pids):
                if wait_for(lambda: self._is_free() or is_ours(), SETTLING_SECONDS):
                    break
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                wait_for(lambda pid=pid: not self._clients([pid]), SETTLING_SECONDS)  # type: ignore[misc]
                ended.append(pid)
        return ended

    def _is_free(self) -> bool:
        """Whether nobody holds keyboard or pointer, seen by taking them for a moment."""
        root, now = self._display.screen().root, self._x.CurrentTime
        modes = self._x.GrabModeAsync, self._x.GrabModeAsync
        keyboard = root.grab_keyboard(False, *modes, now)
        pointer = root.grab_pointer(False, 0, *modes, 0, 0, now)
        if keyboard == self._x.GrabSuccess:
            self._display.ungrab_keyboard(now)
        if pointer == self._x.GrabSuccess:
            self._display.ungrab_pointer(now)
        self._display.sync()
        return bool(keyboard == pointer == self._x.GrabSuccess)

    def _clients(self, pids: Collection[int]) -> list[tuple[int, int, int]]:
        """Return these processes' connections: what their resources' numbers begin with, the mask, the process."""
        clients = self._display.res_query_clients().clients
        asked = [{"client": client.resource_base, "mask": self._mask} for client in clients]
        ids = self._display.res_query_client_ids(asked).ids
        owner = {each.spec.client: each.value[0] for each in ids if each.value}
        bases = [(client.resource_base, client.resource_mask) for client in clients]
        return [(base, mask, owner[base]) for base, mask in bases if owner.get(base) in pids]

    def _theirs(self, clients: Collection[tuple[int, int, int]]) -> Iterator[int]:
        """Yield their windows that lie in nobody else's but the root or a window manager's frame."""
        bases = {base for base, _, _ in clients}
        masks = {mask for _, mask, _ in clients}
        unseen = [self._display.screen().root]
        while unseen:
            window = unseen.pop()
            if any(window.id & ~mask in bases for mask in masks):
                yield window.id
                continue
            with contextlib.suppress(self._error.XError):
                unseen += window.query_tree().children

    def _look(self, number: int) -> Hidden | None:
        """Return what is to be known of a window to show it again; None for one that is not on the screen."""
        window, state = self._window(number), self._display.intern_atom("_NET_WM_STATE")
        try:
            if window.get_attributes().map_state == self._x.IsUnmapped:
                return None
            size, root = window.get_geometry(), self._display.screen().root
            place = window.translate_coords(root, 0, 0)
            states = window.get_full_property(state, self._x.AnyPropertyType)
        except self._error.XError:
            return None
        return Hidden(number, (-place.x, -place.y, size.width, size.height), tuple(states.value) if states else ())

    def _window(self, number: int) -> Any:
        return self._display.create_resource_object("window", number)

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Raises NoWindows where the X server goes meanwhile."""
        try:
            yield
        except (self._error.ConnectionClosedError, OSError) as problem:
            raise NoWindows(f"The X server has gone: {problem}.") from None


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition has come true within that time."""
    ends = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < ends:
        time.sleep(0.01)
    return held


def of_this_display() -> Windows | None:
    """Return the windows of this process's display, None where there is no display at all. Raises a KioskError."""
    if os.environ.get("WAYLAND_DISPLAY"):
        raise NoWindows("On Wayland no program can take another one's windows off the screen.")
    return Windows() if os.environ.get("DISPLAY") else None
