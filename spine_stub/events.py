"""Server-sent events for the open timelines (WHATWG HTML, "Server-sent events").

Each open timeline has a queue and, in server.py, a thread of its own: none of the server's few
workers waits with it. A browser that comes back says what it saw last and gets what it missed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue

MOST_STREAMS = 32
_HEARTBEAT_SECONDS = 15
"""A comment line now and then finds out whose browser has gone."""
_REPLAYED = 100
_WAITING = 200


class Events:
    """What has happened, for everybody who listens. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Queue[bytes | None]] = []
        self._last: deque[tuple[int, bytes]] = deque(maxlen=_REPLAYED)
        self._number = 0

    @property
    def count(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, kind: str, data: str) -> None:
        """Tell everybody; `data` may have several lines."""
        with self._lock:
            self._number += 1
            lines = "".join(f"data: {line}\n" for line in data.splitlines())
            event = f"id: {self._number}\nevent: {kind}\n{lines}\n".encode()
            self._last.append((self._number, event))
            for queue in self._listeners:
                try:
                    queue.put_nowait(event)
                except Full:  # a browser that does not read; it will ask again for what it missed
                    self._listeners.remove(queue)
                    break

    @contextmanager
    def listen(self, after: int | None = None) -> Iterator[Iterator[bytes]]:
        """Give the events as they come, first those after a number; raises OverflowError when too many listen."""
        queue: Queue[bytes | None] = Queue(_WAITING)
        with self._lock:
            if len(self._listeners) >= MOST_STREAMS:
                raise OverflowError(f"{MOST_STREAMS} timelines are open already")
            for number, event in self._last:
                if after is not None and number > after:
                    queue.put_nowait(event)
            self._listeners.append(queue)
        try:
            yield self._read(queue)
        finally:
            with self._lock:
                if queue in self._listeners:
                    self._listeners.remove(queue)

    def close(self) -> None:
        """End every stream."""
        with self._lock:
            for queue in self._listeners:
                queue.put(None)

    def _read(self, queue: Queue[bytes | None]) -> Iterator[bytes]:
        yield b"retry: 500\n: begin\n\n"
        while True:
            try:
                event = queue.get(timeout=_HEARTBEAT_SECONDS)
            except Empty:
                event = b": still there\n\n"
            if event is None or (queue not in self._listeners and queue.empty()):
                return
            yield event
