"""The ticket over HTTP, for pages of configured origins.

GET  /health     {"service": "lanyard-bridge", "version": ...}; plain, so that the browser can ask the person first
POST /ticket     {"method": "getTicket" | "getTicketNoAuth" | "getNewTicket", "wait_seconds": 60}, as JSON with the
                 header X-Lanyard: {"ticket": ...}, or {"error", "code", "says"} with a code of TicketAPI
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from aiohttp import web

from .. import __version__
from ..agent_socket import AgentSocket
from ..errors import AgentError, AgentNotRunning, BridgeError, CallerGone, TicketCode
from .guard import Guard
from .server import refusal

MOST_WAITING = 16
"""Requests that a person is asked for at once; each has a thread and a connection to the agent."""
MOST_SECONDS = 300
USUAL_SECONDS = 120

Ask = Callable[[AgentSocket, str, int, socket.socket], str]
_METHODS: Mapping[str, Ask] = {
    "getTicket": lambda agent, origin, seconds, page: agent.get_ticket(origin, seconds, page),
    "getTicketNoAuth": lambda agent, origin, _, __: agent.get_ticket_no_auth(origin),
    "getNewTicket": lambda agent, origin, seconds, page: agent.get_new_ticket(origin, seconds, page),
}


class BadRequest(BridgeError):
    """What a page sent is not what is asked for here."""

    code = TicketCode.INVALID_PARAMETER


class Busy(BridgeError):
    """Too many wait already."""

    code = TicketCode.SERVER_BUSY


class Agents:
    """Asks the agent in threads, because its socket blocks, and gives up when a page goes away or the bridge ends."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST_WAITING, "agent")
        self._pages: set[socket.socket] = set()

    async def ask(self, request: web.BaseRequest, question: Callable[[AgentSocket, socket.socket], Any]) -> Any:
        """Return the question's answer; raises BridgeError, Busy among them."""
        if len(self._pages) >= MOST_WAITING:
            raise Busy("Too many pages are waiting for the agent.")
        page = _copy_of_connection(request)
        self._pages.add(page)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _ask, question, page)
        finally:
            self._pages.discard(page)
            page.close()

    def stop(self) -> None:
        """Hang up on the agent, as if every page had gone away."""
        for page in self._pages:
            with suppress(OSError):
                page.shutdown(socket.SHUT_RDWR)
        self._threads.shutdown(wait=False, cancel_futures=True)


class Tickets:
    """The two endpoints."""

    def __init__(self, guard: Guard, agents: Agents) -> None:
        self._guard, self._agents = guard, agents

    def application(self) -> web.Application:
        """The aiohttp application, not started."""
        app = web.Application(client_max_size=4096)
        app.router.add_get("/health", self._health)
        app.router.add_post("/ticket", self._ticket)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        """Say that we are here; readable for configured origins only, whoever else asks."""
        headers = self._guard.cors(self._guard.origin(request)) if "Origin" in request.headers else None
        return web.json_response({"service": "lanyard-bridge", "version": __version__}, headers=headers)

    async def _ticket(self, request: web.Request) -> web.Response:
        origin = self._guard.origin(request)
        self._guard.check_is_fetch(request)
        try:
            ask, seconds = _read(await request.read())
            reply = web.json_response(
                {"ticket": await self._agents.ask(request, lambda agent, page: ask(agent, origin, seconds, page))}
            )
        except BridgeError as error:
            reply = refusal(error, _status(error))
        reply.headers.update(self._guard.cors(origin))
        return reply


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body; raises BadRequest."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadRequest("The content is not a JSON object.")
    return found


def _read(body: bytes) -> tuple[Ask, int]:
    """Return what to ask the agent and how many seconds the person has; raises BadRequest."""
    asked = read_object(body)
    method, seconds = asked.get("method", "getTicket"), asked.get("wait_seconds", USUAL_SECONDS)
    if not isinstance(method, str) or method not in _METHODS:
        raise BadRequest(f"The method is none of {', '.join(_METHODS)}.")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MOST_SECONDS:
        raise BadRequest(f"wait_seconds is not a whole number from 1 to {MOST_SECONDS}.")
    return _METHODS[method], seconds


def _status(error: BridgeError) -> int:
    """The HTTP status of an error: 409 where the agent said no, 503 where it could not be asked."""
    if isinstance(error, BadRequest):
        return 400
    if isinstance(error, AgentNotRunning | Busy):
        return 503
    return 409 if isinstance(error, AgentError) else 502


def _copy_of_connection(request: web.BaseRequest) -> socket.socket:
    """A descriptor of our own for the page's connection: the server may close its own at any time."""
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None or connection.fileno() < 0:
        raise CallerGone("The page has gone away.")
    return socket.socket(fileno=os.dup(connection.fileno()))


def _ask(question: Callable[[AgentSocket, socket.socket], Any], page: socket.socket) -> Any:
    with AgentSocket() as agent:
        return question(agent, page)
