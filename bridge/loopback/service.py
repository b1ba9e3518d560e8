"""The running bridge: its servers in one event loop, until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from ..settings import Settings
from .guard import Guard
from .server import Server, listen
from .tickets import Agents, Tickets

_INTERRUPTED = 130


def serve(settings: Settings, port: int, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code. `ready` is told the address once pages are answered.

    Raises BridgeError when it cannot begin.
    """
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    return asyncio.run(_serve(settings, port, ready))


async def _serve(settings: Settings, port: int, ready: Callable[[str], None]) -> int:
    agents = Agents()
    listeners = listen(port)
    guard = Guard(settings, listeners[0].getsockname()[1])
    server = Server(Tickets(guard, agents).application(), guard, listeners)
    await server.start()
    try:
        ready(f"http://127.0.0.1:{guard.port}")
        received = await _signal()
    finally:
        agents.stop()
        await server.stop()
    return _INTERRUPTED if received == signal.SIGINT else 0


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
