"""The virtual card in a real reader: what PC/SC programs see when cards come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, make_card
from support.machine import need, wait_until
from support.reader import Pcscd

from emulator import VirtualCard
from emulator.control import request

REMOVED, NO_CARD = 0x80100069, 0x8010000C
GUIDS = {"one-role": "00112233445566778899AABBCCDDEEFF", "no-role": "FF" * 16}


class Client:
    """A PC/SC program with one connection to the card in the first reader."""

    def __init__(self) -> None:
        from smartcard import scard

        self._scard: Any = scard
        _, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        _, readers = scard.SCardListReaders(self._context, [])
        self._reader = sorted(readers)[0]

    def connect(self) -> int:
        scard = self._scard
        result, self._card, _ = scard.SCardConnect(
            self._context, self._reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1
        )
        return int(result) & 0xFFFFFFFF

    def transmit(self, apdu: str) -> tuple[int, str]:
        scard = self._scard
        result, answer = scard.SCardTransmit(
            self._card, scard.SCARD_PCI_T1, list(bytes.fromhex(apdu))
        )
        return int(result) & 0xFFFFFFFF, bytes(answer).hex().upper()

    def reset(self) -> None:
        scard = self._scard
        scard.SCardReconnect(
            self._card, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1, scard.SCARD_RESET_CARD
        )

    def atr(self) -> bytes:
        result, states = self._scard.SCardGetStatusChange(self._context, 0, [(self._reader, 0)])
        assert result == 0
        return bytes(states[0][2])

    def chuid(self) -> str:
        assert self.transmit(SELECT_PIV + "00")[0] == 0
        return self.transmit("00CB3FFF055C035FC10200")[1]

    def close(self) -> None:
        self._scard.SCardReleaseContext(self._context)


@pytest.fixture
def emulator(
    card_folder: Path, pcscd: Pcscd, run_emulator: Callable[..., EmulatorProgram]
) -> Iterator[EmulatorProgram]:
    """A card in the first reader of pcscd, and another beside it."""
    need("smartcard")
    make_card(card_folder.with_name("no-role"), guid=GUIDS["no-role"])
    program = run_emulator(card_folder.parents[1], pcscd.vpcd, "one-role")
    assert program.ready()
    yield program
    program.stop()
    watcher = Client()
    wait_until(lambda: not watcher.atr(), what="an empty reader")
    watcher.close()


@pytest.fixture
def client(emulator: EmulatorProgram) -> Iterator[Client]:
    client = Client()
    wait_until(lambda: client.connect() == 0, what="the card")
    yield client
    client.close()


def test_ready_means_that_the_card_is_there(client: Client) -> None:
    assert client.atr() == VirtualCard.atr
    assert GUIDS["one-role"] in client.chuid()


def test_a_reset_forgets_the_passcode(client: Client) -> None:
    client.chuid()
    assert client.transmit("0020008008313233343536FFFF") == (0, "9000")
    client.reset()
    assert client.transmit("00200080") == (0, "6D00")
    client.chuid()
    assert client.transmit("00200080") == (0, "63C3")


def test_pulling_the_card_is_seen(client: Client, emulator: EmulatorProgram) -> None:
    request(emulator.data, command="remove")
    wait_until(lambda: not client.atr(), what="an empty reader")
    assert client.transmit("00200080")[0] == REMOVED
    assert client.connect() == NO_CARD


def test_a_card_put_in_at_once_is_another_card(client: Client, emulator: EmulatorProgram) -> None:
    """A connection to the card that was pulled must not go on with the one put in instead."""
    answer = request(emulator.data, command="insert", card="no-role")
    assert answer["connected"] is True
    assert client.transmit("00200080")[0] == REMOVED
    wait_until(lambda: client.connect() == 0, what="the other card")
    assert GUIDS["no-role"] in client.chuid()


def test_the_card_is_back_after_pcscd_restarts(
    client: Client, emulator: EmulatorProgram, pcscd: Pcscd
) -> None:
    client.close()
    pcscd.restart()
    again = Client()
    wait_until(lambda: again.connect() == 0, what="the card")
    assert GUIDS["one-role"] in again.chuid()
    again.close()


def test_long_answers_and_commands(client: Client) -> None:
    client.chuid()
    result, answer = client.transmit("00CB3FFF0000055C035FC105 0000".replace(" ", ""))
    assert result == 0
    assert answer.startswith("5382")
    assert answer.endswith("FE009000")
