"""The server's side of classic ASP.NET SignalR, protocols 1.2 to 2.1, with hubs and long polling only.

    GET  /signalr/negotiate                  names a connection: {"ConnectionToken", "ProtocolVersion", ...}
    *    /signalr/connect, poll, reconnect   {"C": cursor, "M": []}; S: 1 at first. poll waits until the connection ends
    GET  /signalr/start                      {"Response": "started"};  /signalr/ping: {"Response": "pong"}
    POST /signalr/send                       data={"H": hub, "M": method, "A": [...], "I": 0} as a form:
                                             {"I": "0", "R": result} or {"I": "0", "E": words}
    POST /signalr/abort

A result goes back in the reply to its send, as that server does it for long polling; a hub that calls its pages would
need poll for it. A connection's token belongs to the origin that negotiated it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from ..errors import BridgeError
from ..loopback.guard import Forbidden, Guard
from ..loopback.tickets import BadRequest, read_object

PROTOCOLS = ("1.2", "1.3", "1.4", "1.5", "2.0", "2.1")
MOST_BYTES = 512 * 1024
MOST_CONNECTIONS = 32
POLL_SECONDS = 110.0
DISCONNECT_SECONDS = 30.0
"""How long a connection is kept that nobody polls."""
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 8
_TRANSPORT = "longPolling"

Hub = Callable[[web.Request, str, str, list[Any]], Awaitable[Any]]
"""Calls a method: for a request of an origin, with its arguments. Raises BridgeError, whose words the page gets."""


@dataclass
class Connection:
    """A page's connection, which outlives its requests."""

    origin: str
    seen: float = field(default_factory=time.monotonic)
    polls: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Invocation:
    """What a page calls."""

    hub: str
    method: str
    arguments: list[Any]
    id: str


class SignalR:
    """The endpoints, for hubs by their names in small letters."""

    def __init__(self, guard: Guard, hubs: dict[str, Hub]) -> None:
        self._guard, self._hubs = guard, hubs
        self._connections: dict[str, Connection] = {}

    def application(self) -> web.Application:
        """The aiohttp application, not started."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.on_shutdown.append(self._end)
        add = app.router.add_route
        for method, name, handler in (
            ("GET", "negotiate", self._negotiate),
            ("*", "connect", self._connect),
            ("*", "poll", self._poll),
            ("*", "reconnect", self._poll),
            ("GET", "start", self._start),
            ("GET", "ping", self._ping),
            ("POST", "send", self._send),
            ("POST", "abort", self._abort),
        ):
            add(method, f"/signalr/{name}", handler)
        return app

    async def _end(self, _: web.Application) -> None:
        """End all connections, and so all polls."""
        for connection in self._connections.values():
            connection.over.set()

    async def _negotiate(self, request: web.Request) -> web.Response:
        origin = self._guard.origin(request)
        if not self._make_room():
            return self._reply(request, {"Error": "Too many connections."}, 503)
        token, asked = secrets.token_urlsafe(24), request.query.get("clientProtocol", "")
        self._connections[token] = Connection(origin)
        answer = {
            "Url": "/signalr",
            "ConnectionToken": token,
            "ConnectionId": secrets.token_hex(16),
            "KeepAliveTimeout": None,
            "DisconnectTimeout": DISCONNECT_SECONDS,
            "ConnectionTimeout": POLL_SECONDS,
            "TryWebSockets": False,
            "ProtocolVersion": asked if asked in PROTOCOLS else PROTOCOLS[-1],
            "TransportConnectTimeout": 5.0,
            "LongPollDelay": 0.0,
        }
        return self._reply(request, answer)

    async def _connect(self, request: web.Request) -> web.Response:
        self._connection(request)
        if request.query.get("transport") != _TRANSPORT:
            raise Forbidden("There is long polling only.")
        return self._reply(request, {"C": "0", "S": 1, "M": []})

    async def _poll(self, request: web.Request) -> web.Response:
        connection = self._connection(request)
        connection.polls += 1
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await connection.over.wait()
        except TimeoutError:
            pass  # nothing to say: the page polls again
        finally:
            connection.polls -= 1
            connection.seen = time.monotonic()
        return self._reply(request, {"C": "0", "M": []})

    async def _start(self, request: web.Request) -> web.Response:
        self._connection(request)
        return self._reply(request, {"Response": "started"})

    async def _ping(self, request: web.Request) -> web.Response:
        return self._reply(request, {"Response": "pong"})

    async def _send(self, request: web.Request) -> web.Response:
        connection = self._connection(request)
        try:
            invocation = read_invocation(request.content_type, await request.read())
        except BadRequest as error:
            return self._reply(request, {"E": str(error)}, 400)
        connection.polls += 1  # it lives while the person is asked
        try:
            answer = {"I": invocation.id, "R": await self._call(request, connection.origin, invocation)}
        except BridgeError as error:
            answer = {"I": invocation.id, "E": str(error)}
        finally:
            connection.polls -= 1
            connection.seen = time.monotonic()
        return self._reply(request, answer)

    async def _abort(self, request: web.Request) -> web.Response:
        self._connection(request).over.set()
        del self._connections[request.query["connectionToken"]]
        return self._reply(request, {})

    async def _call(self, request: web.Request, origin: str, invocation: Invocation) -> Any:
        hub = self._hubs.get(invocation.hub.lower())
        if hub is None:
            raise BadRequest("There is no such hub.")
        return await hub(request, origin, invocation.method, invocation.arguments)

    def _connection(self, request: web.Request) -> Connection:
        """Return the connection that a request names; raises Forbidden when it is not its origin's."""
        origin = self._guard.origin(request)
        connection = self._connections.get(request.query.get("connectionToken", ""))
        if connection is None or connection.origin != origin:
            raise Forbidden("There is no such connection.")
        connection.seen = time.monotonic()
        return connection

    def _make_room(self) -> bool:
        """Forget connections that nobody polls: those that are old, and where there are too many the oldest of all."""
        before = time.monotonic() - DISCONNECT_SECONDS
        idle = sorted((each.seen, name) for name, each in self._connections.items() if not each.polls)
        surplus = len(self._connections) - MOST_CONNECTIONS + 1
        for number, (seen, name) in enumerate(idle):
            if seen < before or number < surplus:
                del self._connections[name]
        return len(self._connections) < MOST_CONNECTIONS

    def _reply(self, request: web.Request, content: object, status: int = 200) -> web.Response:
        headers = self._guard.cors(self._guard.origin(request))
        return web.json_response(content, status=status, headers=headers)


def read_invocation(content_type: str, body: bytes) -> Invocation:
    """Read the form that a page sends; raises BadRequest."""
    if content_type != _FORM:
        raise BadRequest(f"The content must be {_FORM}.")
    try:
        fields = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest("The content is not a form.") from None
    called = read_object(fields.get("data", [""])[0].encode())
    hub, method, arguments, number = (called.get(name) for name in "HMAI")
    is_whole = isinstance(hub, str) and isinstance(method, str) and isinstance(arguments, list)
    if not is_whole or isinstance(number, bool) or not isinstance(number, int | str) or len(str(number)) > 20:
        raise BadRequest("The call is not one of a hub's methods.")
    return Invocation(str(hub), str(method), list(arguments or ()), str(number))
