"""For tests of other people's software: a card to test with, and a reader in the test's hands.

    with new_card(tmp_path) as card, VirtualReader() as reader:
        reader.insert(card)
        connection = reader.connect()
        connection.transmit([0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08])

Without pcscd a connection has the methods of pyscard's CardConnection and nothing else is needed;
what takes a connection can be tested with it. With pcscd and vpcd (`VirtualReader("127.0.0.1:35963")`)
every program of this PC meets the card, and connect() is pyscard's own. A VpcdSlot is what any program
that speaks the vpcd protocol takes its card from. As pytest fixtures: pytest_plugin.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .errors import NoAnswerError, ReaderError
from .reader.slot import Address, Slot
from .store.personalise import LAYOUT, issue
from .virtual_card import VirtualCard

T = TypeVar("T")

UID = "555000000001"
_VPCD = "Virtual PCD"
_INSTALL = "Debian: apt install pcscd vsmartcard-vpcd python3-pyscard"
_SECONDS = 10.0
"""How long pcscd may take to notice a card, which takes it 0.4 s."""
_LOOK_SECONDS = 0.5
"""pcscd looks every 0.4 s. A card that is out for less is missed, and then so is the next one: after
a pull in the middle of a command a program's own SCardDisconnect already says that there is none."""


def new_card(data: Path, name: str = "card", uid: str = UID, days: int = 730) -> VirtualCard:
    """Make a card with keys and self-signed certificates under DIR/cards; its passcode is 123456.

    Raises CardError when there is one with this name.
    """
    return VirtualCard(issue(data, name, uid, days, LAYOUT, self_signed=True))


class Connection(Protocol):
    """What pyscard's CardConnection has of use to a program."""

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def getATR(self) -> list[int]: ...  # noqa: N802

    def transmit(self, command: list[int]) -> tuple[list[int], int, int]: ...


class VirtualReader:
    """A reader: put a card in, pull it out, connect to it as a program does.

    `vpcd` is the HOST:PORT at which vpcd listens inside pcscd; None: there is no pcscd. Where pcscd, vpcd
    or pyscard is missing, ReaderError says what to install.
    """

    def __init__(self, vpcd: str | None = None) -> None:
        self.card: VirtualCard | None = None
        """The card that is in."""
        self._slot = VpcdSlot(vpcd) if vpcd else None
        self._connections: list[Connection] = []

    def __enter__(self) -> VirtualReader:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def name(self) -> str | None:
        """What PC/SC calls it; None without pcscd."""
        return _pcsc_reader() if self._slot else None

    def insert(self, card: VirtualCard) -> None:
        """Put a card in, pulling the one that is in; return when programs see it."""
        self.remove()
        self.card = card
        if self._slot:
            reader = _pcsc_reader()
            self._slot.insert(card)
            self._slot.wait_until_seen()
            _wait_for_card(reader, present=True)
        else:
            card.power_on()

    def remove(self) -> None:
        """Pull the card, if one is in; return when programs have lost it."""
        card, self.card = self.card, None
        if card and self._slot:
            noticed = time.monotonic() + _LOOK_SECONDS
            self._slot.remove()
            _wait_for_card(_pcsc_reader(), present=False)
            time.sleep(max(0.0, noticed - time.monotonic()))
        elif card:
            card.power_off()

    def connect(self) -> Connection:
        """Return a connection, connected: pyscard's own where there is pcscd."""
        connection: Connection = _pcsc_connection() if self._slot else _DirectConnection(self)
        self._connections.append(connection)
        connection.connect()
        return connection

    def close(self) -> None:
        """Pull the card and take the reader away, with the connections that it has given out."""
        self.remove()
        for connection in self._connections:
            with contextlib.suppress(Exception):  # the card is gone; some versions of pyscard say so, late and loudly
                getattr(connection, "release", connection.disconnect)()
        if self._slot:
            self._slot.close()


class _DirectConnection:
    """A connection to the card in a reader, without pcscd; what fails raises as in pyscard."""

    def __init__(self, reader: VirtualReader) -> None:
        self._reader = reader
        self._card: VirtualCard | None = None

    def connect(self) -> None:
        self._card = self._reader.card
        if self._card is None:
            raise _connection_error()("there is no card in the reader")

    def disconnect(self) -> None:
        self._present().reset()
        self._card = None

    def getATR(self) -> list[int]:  # noqa: N802
        return list(self._present().answer_to_reset())

    def transmit(self, command: list[int]) -> tuple[list[int], int, int]:
        card = self._present()
        try:
            answer = card.transmit(bytes(command))
        except NoAnswerError as error:
            if error.pulled:
                self._reader.remove()
            raise _connection_error()(str(error)) from error
        if len(answer) < 2:
            raise _connection_error()("the answer has no status word")
        return list(answer[:-2]), answer[-2], answer[-1]

    def _present(self) -> VirtualCard:
        if self._card is None or self._card is not self._reader.card:
            raise _connection_error()("the card is not in the reader any more")
        return self._card


def _connection_error() -> type[Exception]:
    """Return what pyscard raises, so that a program's own `except` is tested; without pyscard ours."""
    try:
        from smartcard.Exceptions import CardConnectionException
    except ImportError:
        return NoAnswerError
    return CardConnectionException  # type: ignore[no-any-return]


class VpcdSlot:
    """The card's side of the vpcd protocol, in a thread of its own; HOST:PORT is where the reader listens."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._reader = Slot(Address.parse(address))

    def insert(self, card: VirtualCard) -> None:
        """Put a card in; the reader may come later."""
        self._run(self._reader.insert(card))

    def wait_until_seen(self) -> None:
        """Return when the reader has asked for the card's ATR; raise ReaderError when it does not."""
        try:
            self._run(asyncio.wait_for(self._reader.seen.wait(), _SECONDS))
        except TimeoutError:
            where = self._reader.where
            raise ReaderError(
                f"No reader at {where} asks for the card. Is pcscd running, with vpcd? {_INSTALL}"
            ) from None

    def remove(self) -> None:
        """Pull the card, if one is in."""
        self._run(self._reader.remove())

    def close(self) -> None:
        """Pull the card and end the thread."""
        self.remove()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _scard() -> Any:
    """Return pyscard's interface to PC/SC."""
    try:
        from smartcard import scard
    except ImportError:
        raise ReaderError(f"pyscard is not installed. {_INSTALL}") from None
    return scard


@contextlib.contextmanager
def _pcsc_context() -> Iterator[Any]:
    scard = _scard()
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if result != scard.SCARD_S_SUCCESS:
        raise ReaderError(f"pcscd does not answer: {scard.SCardGetErrorMessage(result)} {_INSTALL}")
    try:
        yield context
    finally:
        scard.SCardReleaseContext(context)


def _pcsc_reader() -> str:
    """Return PC/SC's name of vpcd's first reader."""
    with _pcsc_context() as context:
        _, names = _scard().SCardListReaders(context, [])
    found = sorted(name for name in names if _VPCD in name)
    if not found:
        raise ReaderError(f"pcscd has no reader of vpcd. {_INSTALL}")
    return str(found[0])


def _pcsc_connection() -> Any:
    """Return pyscard's connection to the card in that reader, not connected yet."""
    from smartcard.pcsc.PCSCReader import PCSCReader

    return PCSCReader(_pcsc_reader()).createConnection()


def _wait_for_card(reader: str, present: bool) -> None:
    """Return when PC/SC programs see a card in a reader, or none."""
    scard = _scard()
    wanted = scard.SCARD_STATE_PRESENT if present else scard.SCARD_STATE_EMPTY
    known, end = scard.SCARD_STATE_UNAWARE, time.monotonic() + _SECONDS
    with _pcsc_context() as context:
        while not known & wanted or known & scard.SCARD_STATE_MUTE:
            left = int((end - time.monotonic()) * 1000)
            if left <= 0:
                raise ReaderError(f"{reader} does not see the card come or go")
            _, states = scard.SCardGetStatusChange(context, left, [(reader, known)])
            known = states[0][1] & ~scard.SCARD_STATE_CHANGED
