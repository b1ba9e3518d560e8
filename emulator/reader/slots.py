"""All readers that this emulator plugs cards into, and how a place is named.

vpcd has a port for each of its slots: HOST:PORT of --vpcd is slot 0, the port after it slot 1. For
load tests a reader may be at any other port. Each reader has one connection, all are served by one
event loop, and a card is in one reader at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..errors import CardError, ReaderError
from .slot import Address, Slot

_SLOTS = 1000
"""A number below is a slot, from it on a port."""
_PORTS = range(1, 0x10000)


def parse_place(text: str, first: Address) -> Address:
    """Return where SLOT, PORT or HOST:PORT is, seen from slot 0; raise ValueError."""
    if not (text.isascii() and text.isdecimal()):
        return Address.parse(text)
    number = int(text)
    place = replace(first, port=first.port + number if number < _SLOTS else number)
    if place.port not in _PORTS:
        raise ValueError(f'"{text}" is no slot and no port')
    return place


def parse_cards(texts: list[str], first: Address) -> dict[Address, str]:
    """Read what `run` is given: CARD or CARD@PLACE; one without a place takes the next slot.

    Raises CardError for a place or a card that comes twice.
    """
    found: dict[Address, str] = {}
    slot = 0
    for text in texts:
        card, at, where = text.partition("@")
        try:
            place = parse_place(where if at else str(slot), first)
        except ValueError as error:
            raise CardError(f"{text}: {error}.") from None
        slot = place.port - first.port + 1 if place.host == first.host else slot
        if place in found:
            raise CardError(f"{card} and {found[place]} do not fit into one reader, {place}.")
        found[place] = card
    for card, places in Counter(found.values()).items():
        if places > 1:
            raise CardError(f"{card} cannot be in two readers; make a copy of it: copy {card} NEW.")
    return found


class Slots:
    """The readers in the order in which they came; there is always the first."""

    def __init__(self, first: Address, on_change: Callable[[], None]) -> None:
        self._first = first
        self._on_change = on_change
        self._readers: dict[Address, Slot] = {}

    def __iter__(self) -> Iterator[Slot]:
        self.first()
        return iter(list(self._readers.values()))

    def first(self) -> Slot:
        """Return the first reader: slot 0, unless all cards went elsewhere."""
        return next(iter(self._readers.values()), None) or self.at(self._first)

    def at(self, place: Address) -> Slot:
        """Return the reader at an address, a new one if there is none."""
        if place not in self._readers:
            self._readers[place] = Slot(place, self._on_change)
        return self._readers[place]

    def named(self, name: object) -> Slot:
        """Return the reader that a request names; raise ReaderError.

        By its number among all readers, from 1; or as text by SLOT, PORT or HOST:PORT; or (None) the
        first one.
        """
        if name is None:
            return self.first()
        if isinstance(name, int):
            readers = list(self)
            if not 1 <= name <= len(readers):
                raise ReaderError(f"There is no reader {name}; there are {len(readers)}.")
            return readers[name - 1]
        try:
            return self.at(parse_place(str(name), self._first))
        except ValueError as error:
            raise ReaderError(f"{error}.") from None

    def holding(self, card: str) -> Slot | None:
        """Return the reader in which a card is."""
        for reader in self._readers.values():
            if reader.card and reader.card.card.name == card:
                return reader
        return None
