"""The faults of all cards of one DIR, and the requests that set and clear them (control.py).

{"command": "fault", "card": "one-role"}                       -> what is wrong with the card now
{"command": "fault", "card": "one-role", "kind": "slow", "values": {"preset": "contact"}}
{"command": "fault", "card": "one-role", "clear": true}        or the name of a kind
    -> {"ok": true, "card": "one-role", "faults": [{"kind", "values", "says"}, ...]}
{"command": "kinds"}                                           -> every kind with its fields
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import FaultError
from ..faults import WrongKey
from ..faults.layers import Faults
from ..faults.text import as_json, catalogue, parse_fault
from ..store.card import Card, open_card
from .control import Answer


class FaultTable:
    """By name of the card: faults stay when it is pulled."""

    def __init__(self, data: Path, inserted: Callable[[str], Card | None], on_change: Callable[[], None]) -> None:
        self._data = data
        self._inserted = inserted
        self._on_change = on_change
        self._faults: dict[str, Faults] = {}

    def of(self, card: Card) -> Faults:
        """Return the faults of a card that goes into a reader."""
        faults = self._faults.setdefault(card.name, Faults(card))
        faults.on_change = self._on_change
        return faults

    def as_json(self, name: str) -> list[dict[str, object]]:
        """Return what is wrong with a card."""
        return [as_json(fault) for fault in self._faults.get(name, ())]

    async def handle(self, fields: dict[str, Any]) -> Answer:
        """Set, clear or tell faults; raise EmulatorError."""
        card = self._card(str(fields.get("card")))
        if fields.get("clear"):
            self.of(card).clear(None if fields["clear"] is True else str(fields["clear"]))
        elif "kind" in fields:
            await self._set(card, str(fields["kind"]), fields.get("values") or {})
        return {"card": card.name, "faults": self.as_json(card.name)}

    async def unlock(self, fields: dict[str, Any]) -> Answer:
        """Give a card all its tries back; raise EmulatorError."""
        card = self._card(str(fields.get("card")))
        card.unlock()
        self._on_change()
        return {"card": card.name}

    def _card(self, name: str) -> Card:
        """Return the card that is in a reader, or else the one in its folder."""
        return self._inserted(name) or open_card(self._data, name)

    async def kinds(self, _fields: dict[str, Any]) -> Answer:
        """Tell every kind of fault there is."""
        return {"kinds": catalogue()}

    async def _set(self, card: Card, kind: str, values: object) -> None:
        if not isinstance(values, dict):
            raise FaultError("The values of a fault are an object: {NAME: VALUE}.")
        fault = parse_fault(kind, values)
        if isinstance(fault, WrongKey):
            await asyncio.to_thread(fault.prepare, card)  # it makes key pairs, and only once
        self.of(card).add(fault)
