"""`emulator run`: reader, control socket and signals, put together in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .card import Card, open_card, summaries
from .control import Answer, ControlError, ControlServer, Handler, exclusive, serve
from .conversation import Conversation, Said
from .fault_kinds import Pulled
from .fault_table import FaultTable
from .reader import Address, Reader
from .serve_tray import serve_tray
from .storage import CardError
from .trace import Exchange
from .virtual_card import VirtualCard

if TYPE_CHECKING:
    from .tray import Tray

_log = logging.getLogger(__name__)

_SEEN_SECONDS = 1.0
"""How long `insert` waits for the reader to notice: pcscd looks every 0.4 seconds."""


def run(
    data: Path,
    card: str | None,
    address: Address,
    *,
    announce: Callable[[str], None],
    stop_with_stdin: bool = False,
    tray: int | None = None,
) -> int:
    """Run until told to stop; return the exit code. `announce` gets the ready line.

    `tray` is the port of the page on which the cards lie (serve_tray.py); None: no such page.

    Raises CardError for a card that cannot be used, AlreadyRunningError for a DIR in use.
    """
    inserted = open_card(data, card) if card else None
    with exclusive(data):
        return asyncio.run(Emulator(data, address, announce).run(inserted, stop_with_stdin, tray))


class Emulator:
    """One DIR, one reader, one control socket."""

    def __init__(self, data: Path, address: Address, announce: Callable[[str], None]) -> None:
        self._data = data
        self._announce = announce
        self._reader = Reader(address)
        self._where = str(address)
        self._moving = asyncio.Lock()
        self._reader.on_change = self._changed
        self._faults = FaultTable(data, self._inserted, self._changed)
        self._conversation = Conversation()
        self._conversation.listen(self._said)
        self._tray: Tray | None = None
        self._commands: dict[str, Handler] = {
            "insert": self._insert,
            "remove": self._remove,
            "list": self._list,
            "status": self._status,
            "fault": self._faults.handle,
            "kinds": self._faults.kinds,
        }
        self._control = ControlServer(self._commands)

    async def run(self, card: Card | None, stop_with_stdin: bool, tray: int | None) -> int:
        """Put the card in, print the ready line, serve until a signal or the end of stdin."""
        stopped = _stop_future()
        if stop_with_stdin:
            _stop_at_end_of_stdin(stopped)
        async with serve(self._data, self._control):
            if card:
                await self._put_in(VirtualCard(card, self._faults.of(card)))
            ready = asyncio.create_task(self._say_ready(wait=card is not None))
            opening = asyncio.create_task(self._open_tray(tray))
            code = await stopped
            ready.cancel()
            await opening
            if self._tray:
                await self._tray.stop()
            await self._reader.remove()
        return code

    async def _open_tray(self, port: int | None) -> None:
        if port is not None:
            self._tray = await serve_tray(port, self._commands, self._overview, self._conversation)

    async def _say_ready(self, wait: bool) -> None:
        if wait:
            await self._reader.seen.wait()
        self._announce(f"ready {self._reader.address}")

    async def _put_in(self, card: VirtualCard) -> None:
        card.observer = functools.partial(self._observe, card)
        await self._reader.insert(card)
        _log.info("card %s is in", card.card.name)
        self._happened(card.card.name, "The card was put in")

    async def _insert(self, fields: dict[str, Any]) -> Answer:
        try:
            opened = open_card(self._data, str(fields.get("card")))
            card = VirtualCard(opened, self._faults.of(opened))
        except CardError as error:
            raise ControlError(str(error)) from error
        async with self._moving:
            await self._put_in(card)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reader.seen.wait(), _SEEN_SECONDS)
            return await self._status(fields)

    async def _remove(self, fields: dict[str, Any]) -> Answer:
        async with self._moving:
            pulled = self._reader.card
            await self._reader.remove()
            _log.info("no card is in")
            if pulled:
                self._happened(pulled.card.name, "The card was pulled")
            return await self._status(fields)

    async def _status(self, _fields: dict[str, Any]) -> Answer:
        inserted = self._reader.card
        return {
            "reader": str(self._reader.address),
            "connected": self._reader.connected,
            "card": inserted.card.name if inserted else None,
            "tries_left": inserted.card.passcode.tries_left if inserted else None,
            "tray": self._tray.url if self._tray else None,
        }

    async def _list(self, _fields: dict[str, Any]) -> Answer:
        return {"cards": [summary.as_json() for summary in summaries(self._data)]}

    async def _overview(self) -> Answer:
        """Say for the tray which card is where, and how it is."""
        cards = [summary.as_json() for summary in await asyncio.to_thread(list, summaries(self._data))]
        readers = [await self._status({})]
        return {
            "readers": readers,
            "cards": [{**card, "faults": self._faults.as_json(str(card["name"]))} for card in cards],
        }

    def _inserted(self, name: str) -> Card | None:
        inserted = self._reader.card
        return inserted.card if inserted and inserted.card.name == name else None

    def _observe(self, card: VirtualCard, exchange: Exchange) -> None:
        _log.debug("%s", exchange)
        self._conversation.exchanged(self._where, card.card.name, exchange)
        if exchange.changes_tries:
            self._changed()
        if Pulled.kind in exchange.faults:
            self._happened(card.card.name, "The card was pulled in the middle of that")

    def _happened(self, card: str, sentence: str) -> None:
        self._conversation.happened(self._where, card, sentence)
        self._changed()

    def _changed(self) -> None:
        if self._tray:
            self._tray.changed()

    def _said(self, said: Said) -> None:
        if self._control.has_listeners:
            self._control.publish(said.as_json())


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
