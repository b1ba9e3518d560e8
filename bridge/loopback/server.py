"""Listens on this PC only, for this user's programs only; one request for each connection, within a time limit.

A connection is looked up in the kernel's tables before a byte of it is read: another user's is closed. As each carries
one request, whoever sends slowly, or nothing, is gone after REQUEST_SECONDS.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from aiohttp import web

from ..errors import BridgeError
from .guard import HEADERS, Forbidden, Guard
from .owner import owner_of_connection, owner_of_listener

_log = logging.getLogger("bridge.loopback")
_protocol_log = logging.getLogger("bridge.loopback.http")
_protocol_log.setLevel(logging.CRITICAL)  # aiohttp has a traceback for each request that is no HTTP

MOST_BYTES = 64 * 1024
MOST_CONNECTIONS = 64
REQUEST_SECONDS = 10.0
"""How long a request may take to come, from its connection to its last byte."""
_LOOPBACK = (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED)
_PAUSE_SECONDS = 0.1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PortTaken(BridgeError):
    """Somebody listens on the port already."""

    exit_code = 2


def listen(port: int) -> list[socket.socket]:
    """Return sockets that listen on a port of 127.0.0.1 and, where the PC has IPv6, of ::1; raises PortTaken.

    Both, because browsers take `localhost` for either: whoever had the other one would be asked in our place.
    """
    listeners: list[socket.socket] = []
    for host, family in _LOOPBACK:
        try:
            listeners.append(socket.create_server((host, port), family=family))
            port = listeners[0].getsockname()[1]
        except OSError as error:
            if family == socket.AF_INET6 and error.errno in _NO_IPV6:
                continue
            for listener in listeners:
                listener.close()
            raise PortTaken(_why_not(port, error)) from None
    return listeners


class Server:
    """One port with its application. `start` it in a running event loop, `stop` it there."""

    def __init__(self, app: web.Application, guard: Guard, listeners: Iterable[socket.socket]) -> None:
        self._app, self._guard, self._listeners = app, guard, list(listeners)
        self._limits: dict[tuple[str, int], asyncio.TimerHandle] = {}
        """What ends a connection whose request is not there yet, by the address of its other end."""
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, logger=_protocol_log)

    async def start(self) -> None:
        """Begin to answer."""
        self._app.middlewares.append(self._answer)
        self._app.on_response_prepare.append(_finish)
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            listener.setblocking(False)
        self._accepting = [loop.create_task(self._accept(listener)) for listener in self._listeners]

    async def stop(self) -> None:
        """Hang up on everybody."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self._runner.cleanup()
        for limit in self._limits.values():
            limit.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, there = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if self._is_welcome(accepted, there[:2]):
                await self._serve(accepted, there[:2])
            else:
                accepted.close()

    def _is_welcome(self, accepted: socket.socket, there: tuple[str, int]) -> bool:
        server = self._runner.server
        if server is None or len(server.connections) >= MOST_CONNECTIONS:
            return False
        try:
            owner = owner_of_connection(accepted.getsockname()[:2], there)
        except OSError:
            owner = None
        if owner != os.getuid():
            _log.warning("refused a connection of user %s", "unknown" if owner is None else owner)
        return owner == os.getuid()

    async def _serve(self, accepted: socket.socket, there: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None  # noqa: S101 - it is made by setup
        self._lift_limit(there)
        self._limits[there] = loop.call_later(REQUEST_SECONDS, self._hang_up, accepted, there)
        with suppress(OSError):  # gone already
            await loop.connect_accepted_socket(server, accepted)

    def _hang_up(self, accepted: socket.socket, there: tuple[str, int]) -> None:
        del self._limits[there]
        with suppress(OSError):
            accepted.shutdown(socket.SHUT_RDWR)

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Read the whole request, and refuse what must not be answered."""
        try:
            await request.read()
            if request.transport:
                self._lift_limit(request.transport.get_extra_info("peername")[:2])
            self._guard.check_place(request)
            if request.method == "OPTIONS":
                return self._guard.preflight(request)
            return await handler(request)
        except Forbidden as refused:
            _log.info(
                "refused %s %s of %.300s: %s", request.method, request.path, request.headers.get("Origin"), refused
            )
            return refusal(refused, 403)
        except web.HTTPException as wrong:
            return web.json_response({"error": wrong.reason}, status=wrong.status)
        except ConnectionError:  # it has gone away
            raise
        except Exception:
            _log.exception("the request %s %s failed", request.method, request.path)
            return web.json_response({"error": "Internal"}, status=500)

    def _lift_limit(self, there: tuple[str, int]) -> None:
        """Take the time limit off a connection: its request is here, or its address belongs to another one now."""
        if limit := self._limits.pop(there, None):
            limit.cancel()


async def _finish(_: web.Request, reply: web.StreamResponse) -> None:
    """End the connection with the reply; aiohttp's own replies, such as 417, come by no middleware."""
    reply.headers.update(HEADERS)
    reply.force_close()


def refusal(error: BridgeError, status: int) -> web.Response:
    """Say an error: its name in the agent's interface or that of its class, its TicketAPI code, and its sentence."""
    kind = next(each.__name__ for each in type(error).__mro__ if not each.__name__.startswith("_"))
    name = getattr(error, "name", kind).rpartition(".")[2]
    return web.json_response({"error": name, "code": int(error.code), "says": str(error)}, status=status)


def _why_not(port: int, error: OSError) -> str:
    owner = owner_of_listener(port)
    if error.errno != errno.EADDRINUSE or owner is None:
        return f"Port {port} of this PC cannot be used: {error.strerror}."
    whose = "this user" if owner == os.getuid() else f"user {owner}"
    return f"Port {port} of this PC is in use already, by a program of {whose}."
