"""The agent's socket, seen from what runs around it: Varlink (varlink.org), one JSON object and a NUL byte each way.

The socket is $XDG_RUNTIME_DIR/lanyard/agent. Before a byte is sent, the kernel says whose process listens there:
another user's is refused, because whoever takes that place first could pretend to be the agent. Answers are bounded in
size and time.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from .errors import AgentBroken, AgentNotRunning, AgentRefused, AgentSilent, ForeignSocket
from .events import Event

INTERFACE = "lanyard.Agent"
MOST_BYTES = 1 << 20
PATIENCE = 10.0
"""Seconds for an answer."""
MOST_SAID = 500

_PIECE = 1 << 14
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid

Reply = dict[str, Any]


def socket_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the agent listens. Raises AgentNotRunning without XDG_RUNTIME_DIR: no other place is safe."""
    folder = environment.get("XDG_RUNTIME_DIR", "")
    if not folder:
        raise AgentNotRunning("XDG_RUNTIME_DIR is not set, so there is no place where this user's agent could listen.")
    return Path(folder, "lanyard", "agent")


def call(method: str, parameters: Reply | None = None, *, path: Path | None = None) -> Reply:
    """Call a method of lanyard.Agent and return its parameters. Raises a KioskError."""
    with closing(_Connection(path or socket_path())) as connection:
        connection.send({"method": f"{INTERFACE}.{method}", "parameters": parameters or {}})
        return _parameters(connection.receive(time.monotonic() + PATIENCE))


class Watch:
    """The agent's events, as they come; `fileno` can be waited on. Closed by leaving a `with`."""

    def __init__(self, *, hooks: bool = False, path: Path | None = None) -> None:
        """`hooks`: this connection is the hooks', without which nobody signs in. Raises a KioskError."""
        self._connection = _Connection(path or socket_path())
        asked = {"hooks": True} if hooks else {}
        try:
            self._connection.send({"method": f"{INTERFACE}.Watch", "parameters": asked, "more": True})
        except BaseException:
            self._connection.close()
            raise

    def fileno(self) -> int:
        return self._connection.fileno()

    def first(self) -> Event:
        """Return what is so now. Raises a KioskError."""
        return Event.parse(_parameters(self._connection.receive(time.monotonic() + PATIENCE)))

    def events(self) -> list[Event]:
        """Return the events that have come, waiting for none. Raises AgentNotRunning once the agent has ended."""
        return [Event.parse(_parameters(message)) for message in self._connection.received()]

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Connection:
    """A connected socket, and the bytes of it that are no whole message yet."""

    def __init__(self, path: Path) -> None:
        self._socket = _connect(path)
        self._unread = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, request: Reply) -> None:
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\0")
        except TimeoutError:
            raise AgentSilent("The agent does not read what it is sent.") from None
        except OSError:
            raise AgentNotRunning("The agent hung up.") from None

    def receive(self, deadline: float) -> Reply:
        """Return the next message, by a time of the monotonic clock. Raises AgentBroken, AgentNotRunning."""
        while (message := self._take()) is None:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._read()
        return message

    def received(self) -> list[Reply]:
        """Return the messages that are here. Raises AgentBroken, and AgentNotRunning once all were returned."""
        if not (messages := [*iter(self._take, None)]):
            self._socket.setblocking(False)
            self._read()
            messages = [*iter(self._take, None)]
        return messages

    def _read(self) -> None:
        try:
            piece = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except TimeoutError:
            raise AgentSilent("The agent did not answer in time.") from None
        except OSError:
            piece = b""
        if not piece:
            raise AgentNotRunning("The agent hung up.")
        self._unread += piece
        if len(self._unread) > MOST_BYTES:
            raise AgentBroken("The agent's answer is too long.")

    def _take(self) -> Reply | None:
        end = self._unread.find(0)
        if end < 0:
            return None
        raw = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return parse_message(raw)


def parse_message(raw: bytes) -> Reply:
    """Return a message's JSON object. Raises AgentBroken."""
    try:
        message = json.loads(raw.decode())  # for bytes, loads would look for the encoding first
    except (ValueError, RecursionError):
        raise AgentBroken("The agent's answer is not JSON.") from None
    if not isinstance(message, dict):
        raise AgentBroken("The agent's answer is not a JSON object.")
    return message


def _connect(path: Path) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(PATIENCE)
        connected.connect(os.fspath(path))
        _check_owner(connected)
    except OSError as error:
        connected.close()
        raise AgentNotRunning(f"The agent is not running: {path}: {error.strerror or error}.") from None
    except ForeignSocket:
        connected.close()
        raise
    return connected


def _check_owner(connected: socket.socket) -> None:
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    if uid != os.getuid():
        raise ForeignSocket(f"User {uid}, and not this one, listens on the agent's socket. Nothing was sent there.")


def _parameters(message: Reply) -> Reply:
    """Return the parameters of an answer. Raises AgentRefused when it is an error."""
    parameters = message.get("parameters", {})
    if not isinstance(parameters, dict):
        raise AgentBroken("The agent's answer has parameters that are not a JSON object.")
    if "error" not in message:
        return parameters
    name, says = message["error"], parameters.get("says")
    if not isinstance(name, str):
        raise AgentBroken("The agent's answer is an error without a name.")
    if not isinstance(says, str) or not says:
        says = f"The agent answered with the error {name}."
    raise AgentRefused(*("".join(filter(str.isprintable, each))[:MOST_SAID] for each in (name, says)))
