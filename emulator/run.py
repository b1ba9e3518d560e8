"""`emulator run`: reader, control socket and signals, put together in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .card import open_card, summaries
from .control import Answer, ControlError, ControlServer, exclusive, serve
from .reader import Address, Reader
from .storage import CardError
from .trace import Exchange
from .virtual_card import VirtualCard

_log = logging.getLogger(__name__)

_SEEN_SECONDS = 1.0
"""How long `insert` waits for the reader to notice: pcscd looks every 0.4 seconds."""


def run(
    data: Path, card: str | None, address: Address, *, announce: Callable[[str], None], stop_with_stdin: bool = False
) -> int:
    """Run until told to stop; return the exit code. `announce` gets the ready line.

    Raises CardError for a card that cannot be used, AlreadyRunningError for a DIR in use.
    """
    inserted = VirtualCard(open_card(data, card)) if card else None
    with exclusive(data):
        return asyncio.run(Emulator(data, address, announce).run(inserted, stop_with_stdin))


class Emulator:
    """One DIR, one reader, one control socket."""

    def __init__(self, data: Path, address: Address, announce: Callable[[str], None]) -> None:
        self._data = data
        self._announce = announce
        self._reader = Reader(address)
        self._moving = asyncio.Lock()
        self._control = ControlServer(
            {"insert": self._insert, "remove": self._remove, "list": self._list, "status": self._status}
        )

    async def run(self, card: VirtualCard | None, stop_with_stdin: bool) -> int:
        """Put the card in, print the ready line, serve until a signal or the end of stdin."""
        stopped = _stop_future()
        if stop_with_stdin:
            _stop_at_end_of_stdin(stopped)
        async with serve(self._data, self._control):
            if card:
                await self._put_in(card)
            ready = asyncio.create_task(self._say_ready(wait=card is not None))
            code = await stopped
            ready.cancel()
            await self._reader.remove()
        return code

    async def _say_ready(self, wait: bool) -> None:
        if wait:
            await self._reader.seen.wait()
        self._announce(f"ready {self._reader.address}")

    async def _put_in(self, card: VirtualCard) -> None:
        card.observer = self._observe
        await self._reader.insert(card)
        _log.info("card %s is in", card.card.name)

    async def _insert(self, fields: dict[str, Any]) -> Answer:
        try:
            card = VirtualCard(open_card(self._data, str(fields.get("card"))))
        except CardError as error:
            raise ControlError(str(error)) from error
        async with self._moving:
            await self._put_in(card)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reader.seen.wait(), _SEEN_SECONDS)
            return await self._status(fields)

    async def _remove(self, fields: dict[str, Any]) -> Answer:
        async with self._moving:
            await self._reader.remove()
            _log.info("no card is in")
            return await self._status(fields)

    async def _status(self, _fields: dict[str, Any]) -> Answer:
        inserted = self._reader.card
        return {
            "reader": str(self._reader.address),
            "connected": self._reader.connected,
            "card": inserted.card.name if inserted else None,
            "tries_left": inserted.card.passcode.tries_left if inserted else None,
        }

    async def _list(self, _fields: dict[str, Any]) -> Answer:
        return {"cards": [summary.as_json() for summary in summaries(self._data)]}

    def _observe(self, exchange: Exchange) -> None:
        _log.debug("%s", exchange)
        if self._control.has_listeners:
            self._control.publish(exchange.as_json())


def _stop_future() -> asyncio.Future[int]:
    """Return a future that the signals resolve with the exit code."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(code: int) -> None:
        if not stopped.done():
            stopped.set_result(code)

    loop.add_signal_handler(signal.SIGTERM, stop, 0)
    loop.add_signal_handler(signal.SIGINT, stop, 130)
    return stopped


def _stop_at_end_of_stdin(stopped: asyncio.Future[int]) -> None:
    """Resolve the future when standard input ends, whatever kind of file it is."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(0)

    def read_to_the_end() -> None:
        with contextlib.suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended first
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=read_to_the_end, daemon=True).start()
