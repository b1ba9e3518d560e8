"""Server-sent events for the open timelines (WHATWG HTML, "Server-sent events").

Each open timeline has a listener and, in unattended.py, a thread of its own: none of the server's
few workers waits with it. A listener can be waited for like a socket, together with the browser's
own, so that a page that was closed is noticed at once and not by the next event.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Generator

MOST_STREAMS = 32
HEARTBEAT_SECONDS = 15
"""A comment line now and then keeps connections open, and finds out who has gone without a word."""
_WAITING = 1000
"""Events that wait for one browser; one that reads more slowly is let go, and comes back."""
BEGINNING = b"retry: 500\n: begin\n\n"
HEARTBEAT = b": still there\n\n"


class Listener:
    """What one open timeline has still to be told. Readable, for selectors, when there is something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[bytes] = []
        self._near, self._far = socket.socketpair()
        self._is_open = True

    def fileno(self) -> int:
        """For selectors."""
        return self._near.fileno()

    @property
    def is_open(self) -> bool:
        """False once nothing more will come."""
        return self._is_open

    def put(self, event: bytes) -> None:
        """Tell it something, or let it go when it has not listened for long."""
        with self._lock:
            if self._is_open and not self._events:
                self._far.send(b"!")
            self._events.append(event)
            self._is_open = self._is_open and len(self._events) < _WAITING

    def take(self) -> bytes:
        """Everything that it was told since the last time."""
        with self._lock:
            if self._events:
                self._near.recv(1)
            told = b"".join(self._events)
            self._events.clear()
            return told

    def close(self) -> None:
        """Let go of its sockets."""
        with self._lock:
            self._is_open = False
            self._near.close()
            self._far.close()


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
        with self._lock:
            if len(self._listeners) >= MOST_STREAMS:
                raise OverflowError(f"{MOST_STREAMS} timelines are open already")
            listener = Listener()
            self._listeners.add(listener)
        return listener

    def unsubscribe(self, listener: Listener) -> None:
        """Listen no more."""
        with self._lock:
            self._listeners.discard(listener)
            listener.close()

    def publish(self, kind: str, data: str) -> None:
        """Tell everybody; `data` may have several lines."""
        with self._lock:
            for listener in self._listeners:
                listener.put(event(kind, data))

    def read(self, listener: Listener, browser: socket.socket | None = None) -> Generator[bytes, None, None]:
        """Give what a listener is told as it comes, with heartbeats in between, until `browser` hangs up."""
        try:
            yield BEGINNING
            with selectors.DefaultSelector() as selector:
                selector.register(listener, selectors.EVENT_READ)
                if browser:
                    selector.register(browser, selectors.EVENT_READ)
                while listener.is_open:
                    ready = [key.fileobj for key, _ in selector.select(HEARTBEAT_SECONDS)]
                    if browser in ready:  # a browser says nothing more on this connection: it has gone
                        return
                    yield listener.take() if ready else HEARTBEAT
        finally:
            self.unsubscribe(listener)


def event(kind: str, data: str) -> bytes:
    """Encode one event."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {kind}\n{lines}\n".encode()
