"""Server-sent events for the open timelines (WHATWG HTML, "Server-sent events").

Each open timeline has a queue and, in unattended.py, a thread of its own: none of the server's few
workers waits with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue

MOST_STREAMS = 32
_HEARTBEAT_SECONDS = 15
"""A comment line now and then finds out whose browser has gone."""
_WAITING = 1000
"""Events that wait for one browser; one that reads more slowly is let go, and comes back."""
_BEGINNING = b"retry: 500\n: begin\n\n"
_HEARTBEAT = b": still there\n\n"

Listener = Queue[bytes]


class Events:
    """What happens, for everybody who listens. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()

    @property
    def count(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def subscribe(self) -> Listener:
        """Begin to listen; raises OverflowError when too many do."""
        listener: Listener = Queue(_WAITING)
        with self._lock:
            if len(self._listeners) >= MOST_STREAMS:
                raise OverflowError(f"{MOST_STREAMS} timelines are open already")
            self._listeners.add(listener)
        return listener

    def publish(self, kind: str, data: str) -> None:
        """Tell everybody; `data` may have several lines."""
        with self._lock:
            for listener in list(self._listeners):
                try:
                    listener.put_nowait(event(kind, data))
                except Full:
                    self._listeners.discard(listener)

    def read(self, listener: Listener) -> Iterator[bytes]:
        """Give what a listener is told, as it comes, and heartbeats in between."""
        try:
            yield _BEGINNING
            while listener in self._listeners or not listener.empty():
                try:
                    yield listener.get(timeout=_HEARTBEAT_SECONDS)
                except Empty:
                    yield _HEARTBEAT
        finally:
            with self._lock:
                self._listeners.discard(listener)


def event(kind: str, data: str) -> bytes:
    """Encode one event."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {kind}\n{lines}\n".encode()
