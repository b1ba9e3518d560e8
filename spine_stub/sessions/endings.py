"""Who wants to know when a session is over, in whatever way it ends.

What ends it here (log-out, console, a fault) says so at once. Time limits and other processes that share the store
say nothing: for them the store is looked at, once a second and when a limit is reached, and only while somebody waits
for one of its sessions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from ..config import Clock
from ..errors import Unavailable
from . import Store

LOOK_EVERY = timedelta(seconds=1)
_SOONEST = timedelta(milliseconds=10)


class Ending(StrEnum):
    """How a session ended."""

    LOGGED_OUT = "logged out"
    """By its ticket: the card was pulled, or the agent was told to log out."""
    ENDED = "ended"
    """By the console or a test."""
    EXPIRED = "expired"
    """By its time limits, or in another process."""


Listener = Callable[[Ending], None]


class Repeated:
    """Does something again and again in a thread, which there is only while there is something to do."""

    def __init__(self, do: Callable[[], timedelta | None], name: str) -> None:
        """`do` returns how long it is until it must be done again, if that is less than a second; None for never."""
        self._do, self._name = do, name
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._is_wanted = self._is_running = False

    def start(self) -> None:
        """Do it soon, and again. Can be called from any thread, and more than once."""
        with self._lock:
            self._is_wanted = True
            if self._is_running:
                return
            self._is_running = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Do it no more."""
        self._stopped.set()

    def _run(self) -> None:
        pause = _SOONEST
        while not self._stopped.wait(pause.total_seconds()):
            with self._lock:
                self._is_wanted = False
            again = self._do()
            with self._lock:
                self._is_running = again is not None or self._is_wanted
                if not self._is_running:
                    return
            pause = min(max(again or LOOK_EVERY, _SOONEST), LOOK_EVERY)


class Endings:
    """The ends of a store's sessions. All methods can be called from any thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """`clock` is the store's; where they differ, an end is told a second late at most."""
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}
        self._looking = Repeated(self._look, "session ends")

    def watch(self, key: str, listener: Listener) -> None:
        """Call `listener` once, from any thread, when this session is over; soon, when it is over already."""
        with self._lock:
            self._listeners.setdefault(key, []).append(listener)
        self._looking.start()

    def forget(self, key: str, listener: Listener) -> None:
        """Do not tell this listener any more."""
        with self._lock:
            others = [each for each in self._listeners.pop(key, ()) if each is not listener]
            if others:
                self._listeners[key] = others

    def close(self, key: str, how: Ending) -> bool:
        """End a session; False when there was none. Raises Unavailable."""
        was_open = self._store.close(key)
        self._tell(key, how)
        return was_open

    def release(self) -> None:
        """Look no more."""
        self._looking.stop()

    def _look(self) -> timedelta | None:
        """Tell who waits for sessions that are over; returns how long the others last at least."""
        with self._lock:
            watched = set(self._listeners)
        if not watched:
            return None
        try:
            live = self._store.sessions()
        except Unavailable:  # a store on another machine: it may be back in a second
            return LOOK_EVERY
        for key in watched - live.keys():
            self._tell(key, Ending.EXPIRED)
        ends = [self._store.limits.end(live[key]) for key in watched & live.keys()]
        return min(ends) - self._clock() if ends else LOOK_EVERY

    def _tell(self, key: str, how: Ending) -> None:
        if not self._listeners:
            return
        with self._lock:
            listeners = self._listeners.pop(key, ())
        for listener in listeners:
            listener(how)
