"""What was said to the cards lately, and who listens: the tray, `emulator trace`, the log.

A line for people is made only when somebody reads it. The bytes of a passcode are not kept.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from ..virtual_card import Exchange
from .describe import as_json, without_secrets

_LATELY = 300


class Said(NamedTuple):
    """A command with its answer, or (`happened`) what happened to the card."""

    number: int
    at: float
    """Seconds since 1970."""
    reader: str
    card: str
    exchange: Exchange | None = None
    happened: str = ""

    def as_json(self) -> dict[str, object]:
        """Return it in words, for a JSON line."""
        said = as_json(self.exchange) if self.exchange else {"says": self.happened}
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        return {"number": self.number, "time": when, "reader": self.reader, "card": self.card, **said}


Listener = Callable[[Said], None]


class Conversation:
    """Numbers what is said, keeps the last of it, tells those who listen now."""

    def __init__(self) -> None:
        self._lately: deque[Said] = deque(maxlen=_LATELY)
        self._listeners: list[Listener] = []
        self._number = 0

    def listen(self, listener: Listener) -> None:
        """Tell somebody of everything from now on; who listens already is told once."""
        self._listeners = [*(other for other in self._listeners if other != listener), listener]

    def leave(self, listener: Listener) -> None:
        """Tell somebody no more."""
        self._listeners = [other for other in self._listeners if other != listener]

    def exchanged(self, reader: str, card: str, exchange: Exchange) -> None:
        """Take a command and its answer."""
        self._say(reader, card, without_secrets(exchange))

    def happened(self, reader: str, card: str, sentence: str) -> None:
        """Take something that happened to a card in a reader."""
        self._say(reader, card, None, sentence)

    def since(self, number: int) -> Iterator[Said]:
        """Yield what was said after this number, as far as it is kept; all, if it never came so far."""
        if number > self._number:
            number = 0
        return (said for said in list(self._lately) if said.number > number)

    def _say(self, reader: str, card: str, exchange: Exchange | None, happened: str = "") -> None:
        self._number += 1
        said = Said(self._number, time.time(), reader, card, exchange, happened)
        self._lately.append(said)
        for listener in self._listeners:  # a list that is never changed, but replaced
            listener(said)
