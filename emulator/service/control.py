"""The control socket DIR/emulator.sock: how another terminal moves the cards of a running emulator.

One JSON object a line, each way, as many as wanted on a connection:

    {"command": "insert", "card": "one-role"}  {"command": "remove"}  {"command": "status"}
        -> {"ok": true, "reader": "127.0.0.1:35963", "connected": true,
            "card": "one-role" or null, "tries_left": 3 or null,
            "readers": [the same of every reader, ...],
            "tray": "http://127.0.0.1:8036/" or null}
       insert, remove and status take "reader": its number from 1, or SLOT, PORT or HOST:PORT as text
       (slots.py); without it the first. remove takes "card" in its place, wherever that is
    {"command": "list"}
        -> {"ok": true, "cards": [{"name", "uid", "tries_left", "not_after": "YYYY-MM-DD"}, ...]}
    {"command": "trace"}
        -> {"ok": true}, then one object for each command to the card, until you hang up
    {"command": "fault", ...}  {"command": "kinds"}
        -> what is wrong with a card, see fault_table.py
    {"command": "unlock", "card": "one-role"}
        -> {"ok": true}; both codes have all their tries again
    anything that cannot be done -> {"ok": false, "error": "one plain sentence"}

Only the user who runs the emulator can open it: the file has mode 0600, and the kernel is asked
who is at the other end of each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import AlreadyRunningError, ControlError, EmulatorError, NotRunningError
from ..store.card import CARDS, printable
from ..store.durable import check_folder
from .journal import Conversation, Listener, Said
from .peers import is_own_unix

_log = logging.getLogger(__name__)

SOCKET_NAME = "emulator.sock"
_LONGEST_LINE = 4096
_MOST_WAITING = 1 << 20

Answer = dict[str, Any]
Handler = Callable[[dict[str, Any]], Awaitable[Answer]]


async def answer(handler: Handler, fields: dict[str, Any]) -> Answer:
    """Have a request handled; what cannot be done is a sentence in the answer."""
    try:
        return {"ok": True, **await handler(fields)}
    except (EmulatorError, OSError) as error:
        return {"ok": False, "error": printable(str(error))}


def request(data: Path, **fields: object) -> Answer:
    """Ask the emulator that runs on DIR one thing; raise ControlError when it says no."""
    return next(requests(data, **fields))


def requests(data: Path, **fields: object) -> Iterator[Answer]:
    """Ask one thing and yield every line of the answer, for `trace`."""
    with _connect(data) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(json.dumps(fields).encode() + b"\n")
        for line in connection.makefile("rb"):
            said = json.loads(line)
            if said.get("ok") is False:
                raise ControlError(said["error"])
            yield said
    raise NotRunningError(f"The emulator on {data} has hung up.")


def _connect(data: Path) -> socket.socket:
    check_folder(data)
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _short_path(data) as path:
            connection.connect(path)
    except PermissionError:
        connection.close()
        raise ControlError(f"The emulator on {data} belongs to another user.") from None
    except OSError:
        connection.close()
        raise NotRunningError(
            f"No emulator is running on {data}. Start one: python3 -m emulator --data {data} run"
        ) from None
    return connection


@contextlib.contextmanager
def exclusive(data: Path) -> Iterator[None]:
    """Have DIR's cards to oneself; raise AlreadyRunningError when another emulator has them."""
    with contextlib.ExitStack() as stack:
        folder = os.open(data / CARDS, os.O_RDONLY)
        stack.callback(os.close, folder)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sentence = f"An emulator is already running on {data}. Ask it: python3 -m emulator --data {data} status"
            raise AlreadyRunningError(sentence) from None
        yield


@contextlib.asynccontextmanager
async def serve(data: Path, control: ControlServer) -> AsyncIterator[None]:
    """Listen on DIR/emulator.sock while the block runs. Call it inside exclusive()."""
    listener = socket.socket(socket.AF_UNIX)
    with _short_path(data) as path:
        Path(path).unlink(missing_ok=True)  # of an emulator that was killed
        listener.bind(path)
        os.chmod(path, 0o600)  # before listen(): nobody can have connected yet
    server = await asyncio.start_unix_server(control.converse, sock=listener, limit=_LONGEST_LINE)
    try:
        yield
    finally:
        server.close()
        control.hang_up()
        (data / SOCKET_NAME).unlink(missing_ok=True)


class ControlServer:
    """Reads requests, has them handled, writes the answers."""

    def __init__(self, handlers: dict[str, Handler], conversation: Conversation) -> None:
        self._handlers = handlers
        self._conversation = conversation
        self._connections: set[asyncio.StreamWriter] = set()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        self._connections.add(writer)
        listener = functools.partial(_tell, writer)
        try:
            if is_own_unix(writer.get_extra_info("socket")):
                await self._answer_lines(reader, writer, listener)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(writer)
            self._conversation.leave(listener)
            writer.close()

    def hang_up(self) -> None:
        """End all connections."""
        for writer in list(self._connections):
            writer.close()

    async def _answer_lines(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener: Listener
    ) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # longer than _LONGEST_LINE
                writer.write(_line({"ok": False, "error": "The request is too long."}))
                return
            if not line:
                return
            writer.write(_line(await self._handle(line, listener)))
            await writer.drain()

    async def _handle(self, line: bytes, listener: Listener) -> Answer:
        try:
            fields = json.loads(line)
            name = fields["command"]
            if name == "trace":
                self._conversation.listen(listener)
                _log.debug("somebody watches the conversation")
                return {"ok": True}
            handler = self._handlers[name]
        except (ValueError, TypeError, KeyError, RecursionError):
            known = ", ".join([*self._handlers, "trace"])
            return {"ok": False, "error": f"A request is a JSON object with a command: {known}."}
        return await answer(handler, fields)


def _tell(writer: asyncio.StreamWriter, said: Said) -> None:
    """Send one line to somebody who traces; who does not read is left out."""
    if writer.transport.get_write_buffer_size() > _MOST_WAITING:
        writer.transport.abort()
    else:
        writer.write(_line(said.as_json()))


def _line(answer: Answer) -> bytes:
    return json.dumps(answer).encode() + b"\n"


@contextlib.contextmanager
def _short_path(data: Path) -> Iterator[str]:
    """Name the socket through an open folder: a socket's own path has at most 107 bytes."""
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)
