"""Who wants to know when a session is over, in whatever way it ends.

What ends it here (log-out, console, a fault) says so at once. Time limits and other processes that share the store
say nothing: for them the store is looked at once a second, and only while somebody waits for one of its sessions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from ..errors import Unavailable
from . import Store

LOOK_EVERY = 1.0
"""Seconds; a session's limits are in minutes."""


class Ending(StrEnum):
    """How a session ended."""

    LOGGED_OUT = "logged out"
    """By its ticket: the card was pulled, or the agent was told to log out."""
    ENDED = "ended"
    """By the console or a test."""
    EXPIRED = "expired"
    """By its time limits, or in another process."""


Listener = Callable[[Ending], None]


class Endings:
    """The ends of a store's sessions. All methods can be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}
        self._stopped = threading.Event()
        self._looks = False

    def watch(self, key: str, listener: Listener) -> None:
        """Call `listener` once, from any thread, when this session is over; soon, when it is over already."""
        with self._lock:
            self._listeners.setdefault(key, []).append(listener)
            if self._looks:
                return
            self._looks = True
        threading.Thread(target=self._look, name="session ends", daemon=True).start()

    def close(self, key: str, how: Ending) -> bool:
        """End a session; False when there was none. Raises Unavailable."""
        was_open = self._store.close(key)
        self._tell(key, how)
        return was_open

    def release(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_EVERY):
            with self._lock:
                watched = set(self._listeners)
                self._looks = bool(watched)
            if not watched:
                return
            try:
                over = watched - self._store.sessions().keys()
            except Unavailable:  # a store on another machine: it may be back in a second
                continue
            for key in over:
                self._tell(key, Ending.EXPIRED)

    def _tell(self, key: str, how: Ending) -> None:
        if not self._listeners:
            return
        with self._lock:
            listeners = self._listeners.pop(key, ())
        for listener in listeners:
            listener(how)
