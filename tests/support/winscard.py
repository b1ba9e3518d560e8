"""A smartcard service that does what a test likes, in the place of libpcsclite (winscard.h names and results)."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

from agent import FOR_EVER, PLUG_AND_PLAY, CardLink, PcscResult

EMPTY, PRESENT, CHANGED = 0x10, 0x20, 0x02
ATR = bytes.fromhex("3B00")


class Winscard:
    """Readers by name, each with a card (whatever answers APDUs) or none.

    `results` makes a function return something else; a function in `stuck` comes back when `let_go` is called.
    """

    def __init__(self, *readers: bytes, protocol: int = 2) -> None:
        self.cards: dict[bytes, CardLink | None] = dict.fromkeys(readers)
        self.results: dict[str, int] = {}
        self.stuck: set[str] = set()
        self.calls: list[str] = []
        self.watched: list[list[bytes]] = []
        self.sent: list[bytes] = []
        self.dispositions: list[int] = []
        self.protocol = protocol
        self.before_wait: list[Callable[[], None]] = []  # called between a list of readers and the wait for another
        self._reader_events = 1
        self._counts: dict[bytes, int] = dict.fromkeys(readers, 0)
        self._connected: CardLink | None = None
        self._changed = threading.Condition()
        self._cancelled = False
        self._go = threading.Event()

    # What happens to the readers

    def insert(self, reader: bytes, card: CardLink) -> None:
        self._put(reader, card)

    def swap(self, reader: bytes, card: CardLink) -> None:
        """Out and in, before anybody looks."""
        self._counts[reader] += 1
        self._put(reader, card)

    def pull(self, reader: bytes) -> None:
        self._put(reader, None)

    def unplug(self, reader: bytes) -> None:
        with self._changed:
            del self.cards[reader]
            self._reader_events += 1
            self._changed.notify_all()

    def plug_in(self, reader: bytes) -> None:
        with self._changed:
            self._reader_events += 1
            self._put(reader, None)

    def let_go(self) -> None:
        self.stuck.clear()
        self._go.set()

    def _put(self, reader: bytes, card: CardLink | None) -> None:
        with self._changed:
            self.cards[reader] = card
            self._counts[reader] = self._counts.get(reader, 0) + 1
            self._changed.notify_all()

    # winscard.h

    def SCardEstablishContext(self, scope: Any, _: None, __: None, handle: Any) -> int:  # noqa: N802
        return self._call("SCardEstablishContext")

    def SCardReleaseContext(self, context: Any) -> int:  # noqa: N802
        return self._call("SCardReleaseContext")

    def SCardListReaders(self, context: Any, groups: None, names: Any, size: Any) -> int:  # noqa: N802
        found = b"".join(name + b"\0" for name in self.cards) + b"\0"
        names.value = found[:-1]
        ctypes.memmove(names, found, len(found))
        ctypes.cast(size, ctypes.POINTER(ctypes.c_ulong))[0] = len(found)
        return self._call("SCardListReaders") or (0 if self.cards else PcscResult.NO_READERS_AVAILABLE)

    def SCardGetStatusChange(self, context: Any, wait: Any, states: Sequence[Any], count: Any) -> int:  # noqa: N802
        self.watched.append([state.szReader for state in states])
        if self.before_wait:
            self.before_wait.pop()()
        if result := self._call("SCardGetStatusChange"):
            return result
        readers = list(self.cards)
        with self._changed:
            seconds = None if wait.value == FOR_EVER else wait.value / 1000
            self._changed.wait_for(lambda: self._cancelled or self._look(states) or [*self.cards] != readers, seconds)
        if any(state.szReader not in (*self.cards, PLUG_AND_PLAY) for state in states):
            return PcscResult.UNKNOWN_READER
        return PcscResult.CANCELLED if self._cancelled else PcscResult.SUCCESS

    def _look(self, states: Sequence[Any]) -> bool:
        """Fill in what the readers' states are; whether one is not as it was."""
        for state in states:
            reader = state.szReader
            if reader in self.cards:
                state.dwEventState = self._counts[reader] << 16 | (PRESENT if self.cards[reader] else EMPTY)
                ctypes.memmove(state.rgbAtr, ATR, len(ATR))
                state.cbAtr = len(ATR)
            else:
                state.dwEventState = self._reader_events << 16
        watched = [state for state in states if state.szReader in self.cards or state.dwCurrentState]
        return any(state.dwEventState != state.dwCurrentState for state in watched)

    def SCardCancel(self, context: Any) -> int:  # noqa: N802
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
        return 0

    def SCardConnect(  # noqa: N802
        self, context: Any, reader: bytes, mode: Any, protocols: Any, handle: Any, protocol: Any
    ) -> int:
        self._connected = self.cards.get(reader)
        ctypes.cast(protocol, ctypes.POINTER(ctypes.c_ulong))[0] = self.protocol
        return self._call("SCardConnect") or (0 if self._connected else PcscResult.NO_SMARTCARD)

    def SCardReconnect(self, *_: Any) -> int:  # noqa: N802
        return self._call("SCardReconnect")

    def SCardBeginTransaction(self, card: Any) -> int:  # noqa: N802
        return self._call("SCardBeginTransaction")

    def SCardEndTransaction(self, card: Any, disposition: Any) -> int:  # noqa: N802
        self.dispositions.append(disposition.value)
        return self._call("SCardEndTransaction")

    def SCardTransmit(  # noqa: N802
        self, card: Any, request: Any, apdu: Any, length: Any, _: None, answer: Any, size: Any
    ) -> int:
        sent = bytearray(apdu[: length.value])
        self.sent.append(bytes(sent))
        if result := self._call("SCardTransmit"):
            return result
        assert self._connected
        received = self._connected.transmit(sent)
        ctypes.memmove(answer, received, len(received))
        ctypes.cast(size, ctypes.POINTER(ctypes.c_ulong))[0] = len(received)
        return 0

    def _call(self, function: str) -> int:
        self.calls.append(function)
        if function in self.stuck:
            self._go.wait(30)
        return self.results.get(function, 0)
