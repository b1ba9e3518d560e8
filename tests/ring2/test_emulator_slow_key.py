"""While one card makes an RSA key pair, which takes seconds, the others answer; a pulled one keeps nothing of it."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, make_card
from support.emulator_links import CardReader
from support.machine import wait_until
from support.management import encrypt

from emulator.iso7816 import tlv
from emulator.keys.management_key import ManagementKey
from emulator.service.control import request

GENERATE = "0047009A05AC03800116 00"  # RSA 4096
PUBLIC_KEY = "7F49"


@pytest.fixture
def readers() -> Iterator[list[CardReader]]:
    readers = [CardReader(), CardReader()]
    yield readers
    for reader in readers:
        reader.close()


@pytest.fixture
def running(
    card_folder: Path, readers: list[CardReader], run_emulator: Callable[..., EmulatorProgram]
) -> EmulatorProgram:
    """Two cards; who asks the first one may write to it."""
    make_card(card_folder.with_name("other"))
    first, second = readers
    program = run_emulator(card_folder.parents[1], first.address, ["one-role", f"other@{second.port}"])
    for reader in readers:
        reader.accept()
        assert reader.exchange(SELECT_PIV + "00").endswith("9000")
    prove_management_key(first)
    assert first.connection
    first.connection.settimeout(60)  # RSA 4096
    return program


def prove_management_key(reader: CardReader) -> None:
    key = ManagementKey()
    header = f"0087{key.algorithm:02X}9B"
    answer = bytes.fromhex(reader.exchange(header + "047C02810000"))[:-2]
    challenge = tlv.parse(tlv.parse(answer)[0x7C])[0x81]
    body = tlv.encode(0x7C, tlv.encode(0x82, encrypt(key, challenge)))
    assert reader.exchange(f"{header}{len(body):02X}{body.hex()}") == "9000"


def threads(program: EmulatorProgram) -> int:
    return int(Path(f"/proc/{program.process.pid}/status").read_text().split("Threads:")[1].split()[0])


def has_answered(reader: CardReader) -> bool:
    return bool(select.select([reader.connection], [], [], 0)[0])


def test_the_others_answer_while_a_key_is_made(running: EmulatorProgram, readers: list[CardReader]) -> None:
    busy, other = readers
    busy.send(GENERATE)
    assert other.exchange("00200080") == "63C3"
    assert request(running.data, command="status")["connected"]
    assert not has_answered(busy)
    busy.send("00200080")  # waits for its turn
    answer = busy.answer()
    assert answer.startswith(PUBLIC_KEY)
    assert answer[-4:-2] == "61"
    assert busy.answer() == "63C3"


@pytest.mark.parametrize("way", ["by hand", "by the reader"])
def test_a_card_that_loses_power_meanwhile_keeps_its_key(
    way: str, running: EmulatorProgram, readers: list[CardReader], card_folder: Path
) -> None:
    busy = readers[0]
    before, idle = (card_folder / "9A.key.pem").read_bytes(), threads(running)
    busy.send(GENERATE)
    if way == "by hand":
        request(running.data, command="remove", card="one-role")
        assert busy.card_is_gone()
        with busy.answering_in_background():
            request(running.data, command="insert", card="one-role")
    else:
        busy.accept()
    assert busy.exchange(SELECT_PIV + "00").endswith("9000")
    assert threads(running) == idle + 1
    wait_until(lambda: threads(running) == idle, 60)
    assert busy.exchange("00200080") == "63C3"
    assert (card_folder / "9A.key.pem").read_bytes() == before


def test_the_emulator_may_end_meanwhile(running: EmulatorProgram, readers: list[CardReader], card_folder: Path) -> None:
    before = (card_folder / "9A.key.pem").read_bytes()
    readers[0].send(GENERATE)
    assert readers[1].exchange("00200080") == "63C3"
    running.process.terminate()
    assert running.process.wait(10) == 0
    assert (card_folder / "9A.key.pem").read_bytes() == before
