"""A scripted agent on a socket: it answers what a test says, and keeps what it is asked; fixture socket_server."""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import socket
import struct
import termios
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.machine import wait_until

Message = dict[str, Any]
Answer = Callable[[Message], object]


class SocketServer:
    """Listens on RUNTIME/lanyard/agent.

    `answers` is asked for each request: it returns a message, bytes to send as they are, None for no answer, or
    raises ConnectionError to hang up.
    """

    def __init__(self, runtime: Path) -> None:
        self.path = runtime / "lanyard" / "agent"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.asked: list[Message] = []
        self.hung_up = 0
        self.answers: Answer = lambda request: {"parameters": {"ticket": "TICKET"}}
        self._connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        with contextlib.suppress(OSError), connection:
            while piece := connection.recv(1 << 16):
                *messages, received = (received + piece).split(b"\0")
                for message in messages:
                    self.asked.append(json.loads(message))
                    self._answer(connection)
        self.hung_up += 1

    def _answer(self, connection: socket.socket) -> None:
        answer = self.answers(self.asked[-1])
        if isinstance(answer, bytes):
            connection.sendall(answer)
        elif answer is not None:
            connection.sendall(json.dumps(answer).encode() + b"\0")

    def answer_again(self) -> None:
        """Answer the last request once more: for an answer in two pieces."""
        self._answer(self._connections[-1])

    def send(self, data: bytes) -> None:
        """Send bytes on the newest connection."""
        self._connections[-1].sendall(data)

    def caller(self) -> int:
        """Return the process at the other end of the newest connection."""
        credentials = self._connections[-1].getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        process, _, _ = struct.unpack("3i", credentials)
        return int(process)

    def drip(self, data: Iterable[int]) -> None:
        """Send bytes on the newest connection one by one, each when the one before has been read."""
        connection, unread = self._connections[-1], array.array("i", [0])
        for byte in data:
            connection.sendall(bytes([byte]))
            wait_until(lambda: fcntl.ioctl(connection, termios.TIOCOUTQ, unread) or not unread[0])

    def hang_up(self) -> None:
        """Close every connection, as an agent that ends."""
        while self._connections:
            with contextlib.suppress(OSError):
                self._connections.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End, and leave the socket's file behind, as a killed agent does."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()


def error(name: str, code: int, says: str) -> Message:
    """Return an error of lanyard.Agent."""
    return {"error": f"lanyard.Agent.{name}", "parameters": {"code": code, "says": says}}


@pytest.fixture
def socket_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketServer]:
    """Yield a scripted agent; XDG_RUNTIME_DIR leads to it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    server = SocketServer(tmp_path)
    yield server
    server.close()
