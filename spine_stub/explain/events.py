"""Server-sent events for the open timelines (WHATWG HTML, "Server-sent events").

Each open timeline has a Listener, which is the body of a WSGI reply: an iterator that waits for the
next event, and a `close` that any thread may call when the browser has gone (PEP 3333).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

MOST_STREAMS = 32
HEARTBEAT_SECONDS = 15.0
"""A comment line now and then keeps connections open, and finds out who has gone without a word."""
_WAITING = 1000
"""Events that wait for one browser; one that reads more slowly is let go, and comes back."""
BEGINNING = b"retry: 500\n: begin\n\n"
HEARTBEAT = b": still there\n\n"
_END = b""


class Listener:
    """What one open timeline has still to be told."""

    def __init__(self, on_close: Callable[[Listener], None]) -> None:
        self._on_close = on_close
        self._events: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._events.put(BEGINNING)
        self.is_open = True
        """False once nothing more will come."""

    def put(self, event: bytes) -> None:
        """Tell it something, or let it go when it has not listened for long."""
        self._events.put(event)
        if self._events.qsize() >= _WAITING:
            self.close()

    def close(self) -> None:
        self.is_open = False
        self._events.put(_END)
        self._on_close(self)

    def __iter__(self) -> Listener:
        return self

    def __next__(self) -> bytes:
        try:
            told = self._events.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            return HEARTBEAT
        if told == _END or not self.is_open:
            raise StopIteration
        return told


class Events:
    """What happens, for everybody who listens. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._listeners: set[Listener] = set()

    @property
    def count(self) -> int:
        return len(self._listeners)

    def subscribe(self) -> Listener:
        """Begin to listen, until the listener is closed; raises OverflowError when too many do."""
        with self._lock:
            if len(self._listeners) >= MOST_STREAMS:
                raise OverflowError(f"{MOST_STREAMS} timelines are open already")
            listener = Listener(self._unsubscribe)
            self._listeners.add(listener)
        return listener

    def publish(self, kind: str, data: str) -> None:
        """Tell everybody; `data` may have several lines."""
        told = event(kind, data)
        with self._lock:
            for listener in list(self._listeners):
                listener.put(told)

    def _unsubscribe(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)


def event(kind: str, data: str) -> bytes:
    """Encode one event."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {kind}\n{lines}\n".encode()
