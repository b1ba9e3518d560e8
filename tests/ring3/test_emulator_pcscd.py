"""The virtual card in a real reader: what PC/SC programs see when cards come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, make_card
from support.emulator_links import PcscClient, wait_for_an_empty_reader
from support.machine import need, wait_until
from support.reader import Pcscd

from emulator import VirtualCard
from emulator.service.control import request

REMOVED, NO_CARD = 0x80100069, 0x8010000C
GUIDS = {"one-role": "00112233445566778899AABBCCDDEEFF", "no-role": "FF" * 16}


def chuid(client: PcscClient) -> str:
    assert client.transmit(SELECT_PIV + "00")[0] == 0
    return client.transmit("00CB3FFF055C035FC10200")[1]


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
    wait_for_an_empty_reader()


@pytest.fixture
def client(emulator: EmulatorProgram) -> Iterator[PcscClient]:
    client = PcscClient()
    wait_until(lambda: client.connect() == 0, what="the card")
    yield client
    client.close()


def test_ready_means_that_the_card_is_there(client: PcscClient) -> None:
    assert client.atr() == VirtualCard.atr
    assert GUIDS["one-role"] in chuid(client)


def test_a_reset_forgets_the_passcode(client: PcscClient) -> None:
    chuid(client)
    assert client.transmit("0020008008313233343536FFFF") == (0, "9000")
    client.reset()
    assert client.transmit("00200080") == (0, "6D00")
    chuid(client)
    assert client.transmit("00200080") == (0, "63C3")


def test_pulling_the_card_is_seen(client: PcscClient, emulator: EmulatorProgram) -> None:
    request(emulator.data, command="remove")
    wait_until(lambda: not client.atr(), what="an empty reader")
    assert client.transmit("00200080")[0] == REMOVED
    assert client.connect() == NO_CARD


def test_a_card_put_in_at_once_is_another_card(client: PcscClient, emulator: EmulatorProgram) -> None:
    """A connection to the card that was pulled must not go on with the one put in instead."""
    answer = request(emulator.data, command="insert", card="no-role")
    assert answer["connected"] is True
    assert client.transmit("00200080")[0] == REMOVED
    wait_until(lambda: client.connect() == 0, what="the other card")
    assert GUIDS["no-role"] in chuid(client)


def test_the_card_is_back_after_pcscd_restarts(client: PcscClient, emulator: EmulatorProgram, pcscd: Pcscd) -> None:
    client.close()
    pcscd.restart()
    again = PcscClient()
    wait_until(lambda: again.connect() == 0, what="the card")
    assert GUIDS["one-role"] in chuid(again)
    again.close()


def test_long_answers_and_commands(client: PcscClient) -> None:
    chuid(client)
    result, answer = client.transmit("00CB3FFF0000055C035FC105 0000".replace(" ", ""))
    assert result == 0
    assert answer.startswith("5382")
    assert answer.endswith("FE009000")
