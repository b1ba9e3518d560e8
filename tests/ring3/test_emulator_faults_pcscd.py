"""Faults as PC/SC programs meet them, through a real pcscd and vpcd."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.emulator import SELECT_PIV
from support.machine import need
from support.reader import Pcscd

from emulator import VirtualCard
from emulator.faults import Mute, Oversized, Pulled, Slow, Truncated, WrongAtr
from emulator.testing import Connection, VirtualReader

SELECT = list(bytes.fromhex(SELECT_PIV + "00"))


@pytest.fixture
def piv_vpcd(pcscd: Pcscd) -> str:
    need("smartcard")
    return pcscd.vpcd


@pytest.fixture
def connection(piv_reader: VirtualReader, piv_card: VirtualCard) -> Connection:
    piv_reader.insert(piv_card)
    return piv_reader.connect()


def fails(connection: Connection) -> bool:
    from smartcard.Exceptions import CardConnectionException

    with pytest.raises(CardConnectionException):
        connection.transmit(SELECT)
    return True


def test_pulled(connection: Connection, piv_card: VirtualCard, piv_reader: VirtualReader) -> None:
    piv_card.faults.add(Pulled())
    assert fails(connection)
    piv_reader.insert(piv_card)
    assert piv_reader.connect().transmit(SELECT)[1:] == (0x90, 0x00)


def test_mute_until_it_is_pulled(connection: Connection, piv_card: VirtualCard, piv_reader: VirtualReader) -> None:
    from concurrent.futures import ThreadPoolExecutor

    piv_card.faults.add(Mute())
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(fails, connection)
        piv_reader.remove()
        assert asked.result(10)


def test_slow(connection: Connection, piv_card: VirtualCard) -> None:
    piv_card.faults.add(Slow(command=300))
    started = time.monotonic()
    assert connection.transmit(SELECT)[1:] == (0x90, 0x00)
    assert 0.3 <= time.monotonic() - started < 1


def test_truncated_and_oversized(connection: Connection, piv_card: VirtualCard) -> None:
    whole, *_ = connection.transmit(SELECT)
    piv_card.faults.add(Truncated(missing=7))
    assert connection.transmit(SELECT) == (whole[:-7], 0x90, 0x00)
    piv_card.faults.add(Oversized(extra=150))
    assert connection.transmit(SELECT) == (whole + [0xFF] * 150, 0x90, 0x00)


def test_an_answer_without_its_last_byte(connection: Connection, piv_card: VirtualCard) -> None:
    whole, *_ = connection.transmit(SELECT)
    piv_card.faults.add(Truncated(missing=1, status=False))
    assert connection.transmit(SELECT) == (whole[:-1], whole[-1], 0x90)
    assert connection.transmit(SELECT)[1:] == (0x90, 0x00)


def test_another_atr(piv_reader: VirtualReader, piv_card: VirtualCard, tmp_path: Path) -> None:
    other = bytes.fromhex("3B8001") + b"\x81"
    piv_card.faults.add(WrongAtr(other))
    piv_reader.insert(piv_card)
    assert bytes(piv_reader.connect().getATR()) == other
