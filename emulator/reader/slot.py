"""The reader that this emulator plugs its cards into: one vpcd address, one card at a time.

A card that is in stays connected: when the reader goes away (pcscd restarts) the connection is
made again as soon as the reader is back. A card that is out has no connection at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from ..virtual_card import VirtualCard
from .link import CardLink

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_CONNECT_SECONDS = 5.0
_PATIENCE = 3.0
"""Seconds after which a reader that takes the connection but never asks for the ATR is remarked."""


@dataclass(frozen=True)
class Address:
    """Where a reader listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read HOST:PORT; raise ValueError."""
        match = re.fullmatch(r"\[?([0-9A-Za-z.:_-]+?)\]?:([0-9]{1,5})", text)
        if not match or not 0 < int(match[2]) < 0x10000:
            raise ValueError(f'"{text}" is not HOST:PORT')
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Slot:
    """Puts cards in and pulls them out."""

    def __init__(self, address: Address, on_change: Callable[[], None] = lambda: None) -> None:
        self.address = address
        self.where = str(address)
        self.card: VirtualCard | None = None
        self.seen = asyncio.Event()
        """The reader has asked the card that is in now for its ATR."""
        self._on_change = on_change
        """Told when the connection to the reader comes or goes, and when a fault has pulled the card."""
        self._link: CardLink | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """A card is in, and the reader has taken its connection."""
        return self._link is not None

    async def insert(self, card: VirtualCard) -> None:
        """Put a card in, pulling the one that is in; return at once."""
        await self.remove()
        self.card = card
        self.seen = asyncio.Event()
        self._task = asyncio.create_task(self._keep_connected(card, self.seen))

    async def remove(self) -> None:
        """Pull the card, if one is in."""
        task, self._task = self._task, None
        self.card = None
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_connected(self, card: VirtualCard, seen: asyncio.Event) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                if await self._hold(card, seen):
                    self.card = None
                    self._on_change()
                    return
                pause = _FIRST_PAUSE
            except OSError as error:
                if pause == _FIRST_PAUSE:
                    _log.warning("waiting for a reader at %s: %s", self.address, error)
                pause = min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _hold(self, card: VirtualCard, seen: asyncio.Event) -> bool:
        """Connect, and stay until the connection ends; return whether a fault has pulled the card."""
        link = CardLink(card, await _connect(self.address), seen)
        self._link = link
        self._on_change()
        try:
            await self._remark_silence(link, seen)
            await link.ended.wait()
        finally:
            self._link = None
            link.close()
            self._on_change()
        return link.pulled

    async def _remark_silence(self, link: CardLink, seen: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await link.ended.wait()
        if not seen.is_set() and not link.ended.is_set():
            _log.warning("%s does not ask for the card: is another in it?", self.address)


async def _connect(address: Address) -> socket.socket:
    """Return a connection to a reader. A host's name is looked up for IPv4; raises OSError."""
    connection = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    connection.setblocking(False)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(connection, (address.host, address.port))
    except BaseException:
        connection.close()
        raise
    return connection
