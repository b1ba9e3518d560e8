"""The agent's socket, seen from a program that asks: Varlink (varlink.org), one JSON object and a NUL byte each way.

The socket is $XDG_RUNTIME_DIR/lanyard/agent. Before a byte is sent, the kernel says whose process listens there:
another user's is refused, because whoever takes that place first could pretend to be the agent. Answers are bounded in
size and time.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from .errors import (
    AgentBroken,
    AgentBusy,
    AgentError,
    AgentNotRunning,
    AgentSilent,
    CallerGone,
    ForeignSocket,
    TicketCode,
)

INTERFACE = "lanyard.Agent"
MOST_BYTES = 2 << 20
PATIENCE = 10.0
"""Seconds for an answer that needs no person; where a person is asked, their time comes on top."""
MOST_SAID = 500

_PIECE = 1 << 12
_TIME = struct.Struct("ll")  # struct timeval of socket(7): seconds, microseconds
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
# Errors of Varlink itself, which have no code of TicketAPI.
_OF_VARLINK: dict[str, TicketCode] = {
    "org.varlink.service.InterfaceNotFound": TicketCode.METHOD_MISSING,
    "org.varlink.service.MethodNotFound": TicketCode.METHOD_MISSING,
    "org.varlink.service.MethodNotImplemented": TicketCode.NOT_IMPLEMENTED,
    "org.varlink.service.InvalidParameter": TicketCode.INVALID_PARAMETER,
}

Reply = dict[str, Any]


def leave_no_core_dump() -> None:
    """Have a crash write no ticket to disk (setrlimit(2)).

    The stronger PR_SET_DUMPABLE of prctl(2) would keep the agent from seeing what program this is, which it shows.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Caller(Protocol):
    """Whoever waits for an answer: a pipe or a socket, whose other end is closed when they go away."""

    def fileno(self) -> int: ...


def socket_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the agent listens. Raises AgentNotRunning without XDG_RUNTIME_DIR: no other place is safe."""
    folder = environment.get("XDG_RUNTIME_DIR", "")
    if not folder:
        raise AgentNotRunning("XDG_RUNTIME_DIR is not set, so there is no place where this user's agent could listen.")
    return Path(folder, "lanyard", "agent")


class AgentSocket:
    """Asks the agent, over a connection that is made when it is first needed, and kept for the next call.

    Every method raises a BridgeError. A thread has an AgentSocket of its own: calls are answered one after another.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._connection: _Connection | None = None

    def __enter__(self) -> AgentSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up: the agent stops asking the person for us."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def get_ticket(self, origin: str | None, wait_seconds: int, caller: Caller | None = None) -> str:
        """Return the session's ticket. When nobody is signed in the person is asked to, for `wait_seconds` at most."""
        asked = {"origin": origin, "wait_seconds": wait_seconds}
        return self._ticket("GetTicket", asked, PATIENCE + wait_seconds, caller)

    def get_new_ticket(self, origin: str | None, wait_seconds: int, caller: Caller | None = None) -> str:
        """Return the ticket of a new session, for which the person signs in again."""
        asked = {"origin": origin, "wait_seconds": wait_seconds}
        return self._ticket("GetNewTicket", asked, PATIENCE + wait_seconds, caller)

    def get_ticket_no_auth(self, origin: str | None) -> str:
        """Return the session's ticket; AgentError with TICKET_NOT_AVAILABLE when nobody is signed in."""
        return self._ticket("GetTicketNoAuth", {"origin": origin})

    def get_status(self) -> Reply:
        """Return the state (a word), and of who is signed in: uid, cn, role, reader, seconds_left."""
        return self.call("GetStatus")

    def _ticket(self, method: str, asked: Reply, seconds: float = PATIENCE, caller: Caller | None = None) -> str:
        given = {name: value for name, value in asked.items() if value is not None}
        ticket = self.call(method, given, seconds, caller).get("ticket")
        if not isinstance(ticket, str) or not ticket:
            raise AgentBroken("The agent answered without a ticket.")
        return ticket

    def call(
        self, method: str, parameters: Reply | None = None, seconds: float = PATIENCE, caller: Caller | None = None
    ) -> Reply:
        """Call a method of lanyard.Agent (or, by its full name, of another interface) and return its parameters.

        Hangs up, and raises CallerGone, when `caller` goes away meanwhile. A kept connection that the agent has closed
        since is made anew, once.
        """
        deadline = time.monotonic() + seconds
        request = _request(method, parameters or {})
        if self._connection:
            try:
                return self._exchange(request, deadline, caller)
            except _HungUp:
                pass
        return self._exchange(request, deadline, caller)

    def watch(self, caller: Caller | None = None) -> Iterator[Reply]:
        """Yield what happens to the session (sequence, event, reason); raises AgentNotRunning when the agent ends."""
        self._connection = self._connection or _Connection(self._path or socket_path())
        try:
            self._connection.send(_request("Watch", {}) | {"more": True}, time.monotonic() + PATIENCE)
            while True:
                message = self._connection.receive(None, caller)
                yield _parameters(message)
                if message.get("continues") is not True:
                    return
        finally:
            self.close()  # whoever stops listening is sent no more

    def _exchange(self, request: Reply, deadline: float, caller: Caller | None) -> Reply:
        """Send and receive; on an error hang up, or an answer that is still to come was taken for the next call's."""
        self._connection = connection = self._connection or _Connection(self._path or socket_path())
        try:
            connection.send(request, deadline)
            message = connection.receive(deadline, caller)
        except BaseException:
            self.close()
            raise
        return _parameters(message)


class _HungUp(AgentNotRunning):
    """The agent closed the connection before it answered: it has ended, or is about to."""


class _Connection:
    """A connected socket, and the bytes that came without having been asked for yet."""

    def __init__(self, path: Path) -> None:
        self._socket = _connect(path)
        self._received = bytearray()

    def close(self) -> None:
        self._socket.close()

    def send(self, request: Reply, deadline: float) -> None:
        unsent = memoryview(json.dumps(request).encode() + b"\0")
        while unsent:
            try:
                unsent = unsent[self._socket.send(unsent) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline, None)
            except OSError:
                raise _HungUp("The agent hung up.") from None

    def receive(self, deadline: float | None, caller: Caller | None) -> Reply:
        """Return the next message. Raises AgentSilent at the deadline, on the monotonic clock, and CallerGone."""
        while (end := self._received.find(0)) < 0:
            self._wait(select.POLLIN, deadline, caller)
            self._read()
        raw = self._received[:end]
        del self._received[: end + 1]
        try:
            message = json.loads(raw.decode())  # for bytes, loads would look for the encoding first
        except (ValueError, RecursionError):
            raise AgentBroken("The agent's answer is not JSON.") from None
        if not isinstance(message, dict):
            raise AgentBroken("The agent's answer is not a JSON object.")
        return message

    def _wait(self, event: int, deadline: float | None, caller: Caller | None) -> None:
        waiting = select.poll()
        waiting.register(self._socket, event)
        if caller:
            waiting.register(caller, select.POLLRDHUP)  # that its end is closed; what it sends can wait
        left = None if deadline is None else max(deadline - time.monotonic(), 0) * 1000
        ready = dict(waiting.poll(left))
        if self._socket.fileno() in ready:
            return
        if ready:
            raise CallerGone("Whoever asked has gone away.")
        raise AgentSilent("The agent did not answer in time.")

    def _read(self) -> None:
        try:
            piece = self._socket.recv(_PIECE)
        except OSError:
            piece = b""
        if not piece:
            raise _HungUp("The agent hung up before it answered.")
        self._received += piece
        if len(self._received) > MOST_BYTES:
            raise AgentBroken("The agent's answer is too long.")


def _request(method: str, parameters: Reply) -> Reply:
    return {"method": method if "." in method else f"{INTERFACE}.{method}", "parameters": parameters}


def _connect(path: Path) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIME.pack(int(PATIENCE), 0))
        connected.connect(os.fspath(path))  # waits so long while the agent's queue is full, unlike with settimeout
        connected.setblocking(False)
        _check_owner(connected)
    except BlockingIOError:
        connected.close()
        raise AgentBusy("The agent is busy: it takes no call at present.") from None
    except OSError as error:
        connected.close()
        raise AgentNotRunning(f"The agent is not running: {path} {_why_not(error)}.") from None
    except ForeignSocket:
        connected.close()
        raise
    return connected


def _why_not(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "is left from one that has ended"
    if isinstance(error, FileNotFoundError):
        return "is not there"
    return f"cannot be used ({error.strerror or error})"


def _check_owner(connected: socket.socket) -> None:
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    if uid != os.getuid():
        raise ForeignSocket(f"User {uid}, and not this one, listens on the agent's socket. Nothing was sent there.")


def _parameters(message: Reply) -> Reply:
    """Return the parameters of an answer. Raises AgentError when it is an error."""
    parameters = message.get("parameters", {})
    if not isinstance(parameters, dict):
        raise AgentBroken("The agent's answer has parameters that are not a JSON object.")
    if "error" in message:
        raise _error(message["error"], parameters)
    return parameters


def _error(name: object, parameters: Reply) -> AgentError:
    if not isinstance(name, str):
        raise AgentBroken("The agent's answer is an error without a name.")
    code, says = parameters.get("code"), parameters.get("says")
    if isinstance(code, bool) or not isinstance(code, int) or not 0 < code <= 0xFFFFFFFF:
        code = _OF_VARLINK.get(name, TicketCode.INTERNAL)
    if not isinstance(says, str) or not says:
        says = f"The agent answered with the error {name}."
    return AgentError(name, code, "".join(filter(str.isprintable, says))[:MOST_SAID])
