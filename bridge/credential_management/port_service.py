"""NHS Port Service: tells a page at which port of this PC its person's Credential Management listens.

GET /PRS/ConnectPRService    {"statusCode": "200"}
GET /PRS/GetPortNumber       {"portData": {"portNumber": N}}, or {"faultException": {"code", "message"}} when the
                             agent does not run
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence

from aiohttp import web

from ..agent_socket import AgentSocket
from ..errors import AgentNotRunning
from ..loopback.guard import Guard
from ..loopback.owner import owner_of_listener
from ..loopback.server import PortTaken, listen
from ..loopback.tickets import Agents

PORTS = (43487, 44213, 45031, 46478, 48853)
"""Where pages look, all at once: they believe the first answer."""

_log = logging.getLogger("bridge.credential_management")


class PortService:
    """The two endpoints; `port` is Credential Management's."""

    def __init__(self, guard: Guard, agents: Agents, port: int) -> None:
        self._guard, self._agents, self._port = guard, agents, port

    def application(self) -> web.Application:
        """The aiohttp application, not started."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/PRS/ConnectPRService", self._connect)
        app.router.add_get("/PRS/GetPortNumber", self._get_port_number)
        return app

    async def _connect(self, request: web.Request) -> web.Response:
        return self._reply(request, {"statusCode": "200"})

    async def _get_port_number(self, request: web.Request) -> web.Response:
        self._guard.origin(request)
        try:
            await self._agents.ask(request, lambda agent, _: _is_there(agent))
        except AgentNotRunning as error:
            return self._reply(request, {"faultException": {"code": "PR30007", "message": str(error)}})
        return self._reply(request, {"portData": {"portNumber": self._port}})

    def _reply(self, request: web.Request, content: object) -> web.Response:
        return web.json_response(content, headers=self._guard.cors(self._guard.origin(request)))


def listen_on_first_free(ports: Sequence[int] = PORTS) -> list[socket.socket]:
    """Return sockets that listen on the first of these ports that is free; raises PortTaken when none is."""
    for port in ports:
        try:
            listeners = listen(port)
        except PortTaken:
            if owner_of_listener(port) not in (None, os.getuid()):
                _log.warning("port %s, where pages look for the port service, is another user's", port)
            continue
        return listeners
    raise PortTaken(f"None of the ports of the NHS Port Service is free: {', '.join(map(str, ports))}.")


def _is_there(agent: AgentSocket) -> None:
    agent.get_status()
