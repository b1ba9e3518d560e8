"""The running bridge: its servers in one event loop, until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator

from .agent_socket import leave_no_core_dump
from .credential_management.port_service import PortService, listen_on_first_free
from .credential_management.signalr import SignalR
from .credential_management.signing_hub import NAME, SigningHub
from .loopback.guard import Guard
from .loopback.server import PortTaken, Server, listen
from .loopback.tickets import Agents, Tickets
from .settings import Settings

CREDENTIAL_MANAGEMENT_PORT = 43485
"""Where the real program was seen; pages ask the port service, so that any port does."""
_INTERRUPTED = 130
_HEADERS = ("content-type", "x-requested-with")


def serve(settings: Settings, port: int, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code. `ready` is told the address once pages are answered.

    Raises BridgeError when it cannot begin.
    """
    leave_no_core_dump()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    return asyncio.run(_serve(settings, port, ready))


async def _serve(settings: Settings, port: int, ready: Callable[[str], None]) -> int:
    agents = Agents()
    listeners = listen(port)
    guard = Guard(settings, listeners[0].getsockname()[1])
    servers = [
        Server(Tickets(guard, agents).application(), guard, listeners),
        *_credential_management(settings, agents),
    ]
    try:
        await _all(server.start() for server in servers)
        ready(f"http://127.0.0.1:{guard.port}")
        received = await _signal()
    finally:
        agents.stop()
        await _all(server.stop() for server in servers)
    return _INTERRUPTED if received == signal.SIGINT else 0


def _credential_management(settings: Settings, agents: Agents) -> Iterator[Server]:
    """Yield Credential Management and its port service, not started, if the settings want them; raises PortTaken."""
    if not settings.credential_management:
        return
    try:
        listeners = listen(CREDENTIAL_MANAGEMENT_PORT)
    except PortTaken:
        listeners = listen(0)
    guard = _guard_with_credentials(settings, listeners[0].getsockname()[1])
    signal_r = SignalR(guard, {NAME: SigningHub(agents, allow_sha1=settings.allow_sha1)})
    yield Server(signal_r.application(), guard, listeners)
    doors = listen_on_first_free()
    door = _guard_with_credentials(settings, doors[0].getsockname()[1])
    yield Server(PortService(door, agents, guard.port).application(), door, doors)


def _guard_with_credentials(settings: Settings, port: int) -> Guard:
    """Pages of this contract ask "with credentials": they send the cookies along that there are none of."""
    return Guard(settings, port, headers=_HEADERS, with_credentials=True)


async def _all(steps: Iterable[Awaitable[None]]) -> None:
    for step in steps:
        await step


async def _signal() -> signal.Signals:
    """Return the signal that tells us to end."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[signal.Signals] = loop.create_future()

    def receive(number: signal.Signals) -> None:
        if not came.done():
            came.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, receive, number)
    return await came
