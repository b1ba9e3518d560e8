"""Connections that no worker waits with: open timelines, late replies, replies that never come.

The server has few workers, and a fault that hangs, or a page left open on a projector, must not use
one up. A worker writes the head of such a reply, or nothing, and leaves the rest to a thread here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import closing as closing_iterator
from contextlib import suppress
from typing import Any

from ..faults import Delivery

ENVIRON_KEY = "spine_stub.connection"
"""Under this name an application finds its Connection, when our server runs it."""
_MOST = 128
"""How many connections may be open here; the oldest makes room."""
_HANG_SECONDS = 600.0
_SEND_SECONDS = 5.0

Finish = Callable[[Any, threading.Event], None]
"""Sends what is to be sent on a server.Connection, unless the event says that it is closing."""


class Unattended:
    """The connections of one server that have no worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Any, threading.Event] = {}

    def take(self, connection: Any, finish: Finish) -> None:
        """Let `finish(connection, closing)` run in a thread of its own, then close the connection."""
        closing = threading.Event()
        with self._lock:
            oldest = next(iter(self._open)) if len(self._open) >= _MOST else None
            self._open[connection] = closing
        if oldest is not None:
            self._close(oldest)
        threading.Thread(target=self._run, args=(connection, finish, closing), daemon=True).start()

    def close(self) -> None:
        """Close them all."""
        for connection in list(self._open):
            self._close(connection)

    def _run(self, connection: Any, finish: Finish, closing: threading.Event) -> None:
        with suppress(OSError, ValueError):  # the client has gone
            finish(connection, closing)
        self._close(connection)

    def _close(self, connection: Any) -> None:
        with self._lock:
            closing = self._open.pop(connection, None)
        if closing is not None:
            closing.set()
            connection.hang_up()


def later(delivery: Delivery) -> Finish:
    """Send, in part or late or never, what the worker has withheld."""

    def finish(connection: Any, closing: threading.Event) -> None:
        closing.wait(_HANG_SECONDS if delivery.after is None else delivery.after)
        if not closing.is_set() and delivery.after is not None and delivery.head:
            connection.socket.settimeout(_SEND_SECONDS)
            connection.socket.sendall(_part(connection.wfile.withheld, delivery.share))

    return finish


def stream(parts: Callable[[socket.socket], Generator[bytes, None, None]]) -> Finish:
    """Send parts as they come; they are made with the socket, so that its end can be noticed."""

    def finish(connection: Any, closing: threading.Event) -> None:
        connection.socket.settimeout(_SEND_SECONDS)
        with closing_iterator(parts(connection.socket)) as told:
            for part in told:
                if closing.is_set():
                    return
                connection.socket.sendall(part)

    return finish


def _part(reply: bytes, share: float) -> bytes:
    head, empty_line, body = reply.partition(b"\r\n\r\n")
    return head + empty_line + body[: int(len(body) * share)]
