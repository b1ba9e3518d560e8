"""The ways to a virtual card: as the reader it is in, and as a PC/SC program."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from support.machine import wait_until


class CardReader:
    """The reader's side of the vpcd protocol, in a test's hands."""

    def __init__(self, port: int = 0) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(10)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.connection: socket.socket | None = None

    def accept(self) -> str:
        """Wait for a card, ask for its ATR and return that in hex."""
        if self.connection:
            self.connection.close()
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(10)
        return self.exchange("04")

    def send(self, frame: str) -> None:
        """Send one frame given in hex, in two pieces as vpcd does."""
        payload = bytes.fromhex(frame)
        assert self.connection
        self.connection.sendall(len(payload).to_bytes(2, "big"))
        self.connection.sendall(payload)

    def exchange(self, frame: str) -> str:
        """Send one frame, return the answer in hex."""
        self.send(frame)
        return self.answer()

    def answer(self) -> str:
        """Return the next answer in hex."""
        return self._exactly(int.from_bytes(self._exactly(2), "big")).hex().upper()

    @contextlib.contextmanager
    def answering_in_background(self) -> Iterator[None]:
        """Take the next card while the test does something else that waits for that."""
        with ThreadPoolExecutor(1) as threads:
            taken = threads.submit(self.accept)
            yield
            taken.result(10)

    def card_is_gone(self) -> bool:
        """Wait for the end of the connection."""
        assert self.connection
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Take the reader away, with the card in it."""
        self.listener.close()
        if self.connection:
            self.connection.close()

    def _exactly(self, count: int) -> bytes:
        assert self.connection
        data = b""
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            assert piece, "the card is gone"
            data += piece
        return data


class PcscClient:
    """A PC/SC program with one connection to the card in a reader, the first or another."""

    def __init__(self, reader: int = 0) -> None:
        from smartcard import scard

        self._scard: Any = scard
        _, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        _, readers = scard.SCardListReaders(self._context, [])
        self._reader = sorted(readers)[reader]

    def connect(self) -> int:
        scard = self._scard
        result, self._card, _ = scard.SCardConnect(
            self._context, self._reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1
        )
        return int(result) & 0xFFFFFFFF

    def transmit(self, apdu: str) -> tuple[int, str]:
        scard = self._scard
        result, answer = scard.SCardTransmit(self._card, scard.SCARD_PCI_T1, list(bytes.fromhex(apdu)))
        return int(result) & 0xFFFFFFFF, bytes(answer).hex().upper()

    def reset(self) -> None:
        scard = self._scard
        scard.SCardReconnect(self._card, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1, scard.SCARD_RESET_CARD)

    def atr(self) -> bytes:
        result, states = self._scard.SCardGetStatusChange(self._context, 0, [(self._reader, 0)])
        assert result == 0
        return bytes(states[0][2])

    def close(self) -> None:
        self._scard.SCardReleaseContext(self._context)


def wait_for_an_empty_reader() -> None:
    """Return when programs see no card in the first reader: the next test puts one in."""
    watcher = PcscClient()
    wait_until(lambda: not watcher.atr(), what="an empty reader")
    watcher.close()
