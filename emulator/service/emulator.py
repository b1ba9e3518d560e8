"""`emulator run`: reader, control socket and signals, put together in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ReaderError
from ..faults import Pulled
from ..reader.slot import Address, Slot
from ..reader.slots import Slots, parse_cards
from ..store.card import Card, open_card, summaries
from ..virtual_card import Exchange, VirtualCard
from .control import Answer, ControlServer, Handler, exclusive, serve
from .fault_table import FaultTable
from .journal import Conversation, Said, as_json, one_line

if TYPE_CHECKING:
    from .tray import Tray

_log = logging.getLogger(__name__)

_SEEN_SECONDS = 1.0
"""How long `insert` waits for the reader to notice: pcscd looks every 0.4 seconds."""


def run(
    data: Path,
    cards: list[str],
    address: Address,
    *,
    announce: Callable[[str], None],
    stop_with_stdin: bool = False,
    tray: int | None = None,
) -> int:
    """Run until told to stop; return the exit code. `announce` gets a ready line for each reader.

    `cards` are CARD or CARD@PLACE (slots.py), `address` is where slot 0 listens.

    `tray` is the port of the page on which the cards lie (tray.py); None: no such page.

    Raises CardError for a card that cannot be used, AlreadyRunningError for a DIR in use.
    """
    inserted = {place: open_card(data, card) for place, card in parse_cards(cards, address).items()}
    _allow_many_connections()
    with exclusive(data), asyncio.Runner() as runner:
        emulator = Emulator(data, address, announce, runner.get_loop())
        return runner.run(emulator.run(inserted, stop_with_stdin, tray))


class Emulator:
    """One DIR, its readers, one control socket."""

    def __init__(
        self, data: Path, address: Address, announce: Callable[[str], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._data = data
        self._announce = announce
        self._readers = Slots(address, self._changed)
        self._moving = asyncio.Lock()
        self._loop = loop
        self._thread = threading.get_ident()
        self._faults = FaultTable(data, self._inserted, functools.partial(self._in_loop, self._changed))
        self._conversation = Conversation()
        if _log.isEnabledFor(logging.DEBUG):
            self._conversation.listen(_log_it)
        self._tray: Tray | None = None
        self._commands: dict[str, Handler] = {
            "insert": self._insert,
            "remove": self._remove,
            "list": self._list,
            "status": self._status,
            "fault": self._faults.handle,
            "kinds": self._faults.kinds,
            "unlock": self._faults.unlock,
        }
        self._control = ControlServer(self._commands, self._conversation)

    async def run(self, cards: dict[Address, Card], stop_with_stdin: bool, tray: int | None) -> int:
        """Put the cards in, print the ready line, serve until a signal or the end of stdin."""
        stopped = _stopped(stop_with_stdin)
        async with serve(self._data, self._control):
            for place, card in cards.items():
                await self._put_in(self._readers.at(place), VirtualCard(card, self._faults.of(card)))
            ready = [asyncio.create_task(self._say_ready(reader)) for reader in self._readers]
            opening = asyncio.create_task(self._open_tray(tray))
            code = await stopped
            for saying in ready:
                saying.cancel()
            await opening
            if self._tray:
                await self._tray.stop()
            for reader in self._readers:
                await reader.remove()
        return code

    async def _open_tray(self, port: int | None) -> None:
        """Serve the page with the cards. Where it cannot be, that is said, and the emulator runs without."""
        if port is None:
            return
        try:
            module = await asyncio.to_thread(importlib.import_module, ".tray", __package__)  # a quarter of a second
            tray: Tray = module.Tray(self._commands, self._overview, self._conversation)
            await tray.start(port)
        except ImportError:
            _log.info("there is no tray: it needs aiohttp (Debian: apt install python3-aiohttp; pip install aiohttp)")
        except OSError:
            _log.warning("there is no tray: port %d is taken; --tray PORT chooses another, 0 any that is free", port)
        else:
            self._tray = tray
            _log.info("the tray is at %s", tray.url)

    async def _say_ready(self, reader: Slot) -> None:
        if reader.card:
            await reader.seen.wait()
        self._announce(f"ready {reader.address}")

    async def _put_in(self, reader: Slot, card: VirtualCard) -> None:
        card.observer = functools.partial(self._in_loop, self._observe, reader, card)
        await reader.insert(card)
        _log.info("card %s is in %s", card.card.name, reader.address)
        self._happened(reader, card, "The card was put in")

    async def _insert(self, fields: dict[str, Any]) -> Answer:
        """Put a card in; the one that is there is pulled, and so is this one where it was."""
        name = str(fields.get("card"))
        async with self._moving:
            reader = self._readers.named(fields.get("reader"))
            self._open(name)
            await self._pull(self._readers.holding(name))
            await self._put_in(reader, self._open(name))  # read again: a try may have been spent before the pull
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.seen.wait(), _SEEN_SECONDS)
            return await self._status({"reader": str(reader.address)})

    def _open(self, name: str) -> VirtualCard:
        card = open_card(self._data, name)
        return VirtualCard(card, self._faults.of(card))

    async def _remove(self, fields: dict[str, Any]) -> Answer:
        """Pull the card in a reader, or (`card`) a card wherever it is."""
        async with self._moving:
            name = fields.get("card")
            reader = self._readers.holding(str(name)) if name else self._readers.named(fields.get("reader"))
            if reader is None:
                raise ReaderError(f"{name} is in no reader.")
            await self._pull(reader)
            return await self._status({"reader": str(reader.address)})

    async def _pull(self, reader: Slot | None) -> None:
        pulled = reader and reader.card
        if reader and pulled:
            await reader.remove()
            _log.info("no card is in %s", reader.address)
            self._happened(reader, pulled, "The card was pulled")

    async def _status(self, fields: dict[str, Any]) -> Answer:
        """Say how one reader is (the first), and how all are."""
        readers = [_status_of(reader) for reader in self._readers]
        asked = _status_of(self._readers.named(fields.get("reader")))
        return {**asked, "readers": readers, "tray": self._tray.url if self._tray else None}

    async def _list(self, _fields: dict[str, Any]) -> Answer:
        return {"cards": [card.as_json() for card in await asyncio.to_thread(list, summaries(self._data))]}

    async def _overview(self) -> Answer:
        """Say for the tray which card is where, and how it is."""
        cards = await asyncio.to_thread(list, summaries(self._data))
        return {
            "readers": [_status_of(reader) for reader in self._readers],
            "cards": [{**card.as_json(), "faults": self._faults.as_json(card.name)} for card in cards],
        }

    def _inserted(self, name: str) -> Card | None:
        reader = self._readers.holding(name)
        return reader.card.card if reader and reader.card else None

    def _in_loop(self, tell: Callable[..., None], *what: object) -> None:
        """Tell at once, or, from the thread in which a link makes a key pair, when the loop comes to it."""
        if threading.get_ident() == self._thread:
            tell(*what)
        else:
            self._loop.call_soon_threadsafe(tell, *what)

    def _observe(self, reader: Slot, card: VirtualCard, exchange: Exchange) -> None:
        self._conversation.say(reader.where, card.card.name, exchange)
        if self._tray and exchange.may_change_tries:
            self._tray.changed()
        if Pulled.kind in exchange.faults:
            self._happened(reader, card, "The card was pulled in the middle of that")

    def _happened(self, reader: Slot, card: VirtualCard, sentence: str) -> None:
        self._conversation.say(reader.where, card.card.name, None, sentence)
        self._changed()

    def _changed(self) -> None:
        if self._tray:
            self._tray.changed()


def _log_it(said: Said) -> None:
    if said.exchange:
        _log.debug("%s", one_line(as_json(said.exchange)))


def _status_of(reader: Slot) -> Answer:
    inserted = reader.card
    return {
        "reader": str(reader.address),
        "connected": reader.connected,
        "card": inserted.card.name if inserted else None,
        "tries_left": inserted.card.passcode.tries_left if inserted else None,
    }


def _allow_many_connections() -> None:
    """Raise the number of open files to what the system allows: each reader needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stopped(stop_with_stdin: bool) -> asyncio.Future[int]:
    """Return a future that a signal, or the end of standard input, resolves with the exit code."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(code: int) -> None:
        if not stopped.done():
            stopped.set_result(code)

    def read_to_the_end() -> None:
        with contextlib.suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended first
            loop.call_soon_threadsafe(stop, 0)

    loop.add_signal_handler(signal.SIGTERM, stop, 0)
    loop.add_signal_handler(signal.SIGINT, stop, 130)
    if stop_with_stdin:  # which may be any kind of file, so that a thread has to read it
        threading.Thread(target=read_to_the_end, daemon=True).start()
    return stopped
