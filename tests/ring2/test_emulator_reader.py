"""The link to the reader: it restarts, it vanishes, it speaks something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, tries_left_on_disk
from support.emulator_links import CardReader
from support.machine import wait_until

Run = Callable[..., EmulatorProgram]
WHOLE_CERTIFICATE = "00CB3FFF000005 5C035FC105 0000"


@pytest.fixture
def running(card_folder: Path, card_reader: CardReader, run_emulator: Run) -> EmulatorProgram:
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role")
    card_reader.accept()
    assert program.ready()
    return program


def test_the_reader_may_come_after_the_card(card_folder: Path, run_emulator: Run) -> None:
    early = CardReader()
    early.close()
    program = run_emulator(card_folder.parents[1], early.address, "one-role")
    wait_until(lambda: "waiting for a reader" in program.log.read_text())
    assert "waiting for" in program.ask("status").stdout
    late = CardReader(early.port)
    late.accept()
    assert program.ready() == f"ready {late.address}"
    late.close()


def test_a_reader_that_restarts_finds_the_card_again(running: EmulatorProgram, card_reader: CardReader) -> None:
    card_reader.exchange(SELECT_PIV + "00")
    card_reader.close()
    again = CardReader(card_reader.port)
    again.accept()
    assert again.exchange("00200080") == "6D00"
    assert again.exchange(SELECT_PIV + "00").endswith("9000")
    again.close()


@pytest.mark.parametrize(
    "bytes_sent", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\x00\x05ab", b"\x00"]
)
def test_a_peer_that_is_no_reader(bytes_sent: bytes, running: EmulatorProgram, card_reader: CardReader) -> None:
    assert card_reader.connection
    card_reader.connection.sendall(bytes_sent)
    card_reader.connection.close()
    card_reader.accept()
    assert card_reader.exchange(SELECT_PIV + "00").endswith("9000")


def test_frames_byte_by_byte_and_many_at_once(running: EmulatorProgram, card_reader: CardReader) -> None:
    assert card_reader.connection
    select = bytes.fromhex("000B" + SELECT_PIV + "00")
    for byte in select:
        card_reader.connection.sendall(bytes((byte,)))
    assert card_reader.answer().endswith("9000")
    card_reader.connection.sendall(b"\x00\x01\x02" + select * 20)
    assert [card_reader.answer()[-4:] for _ in range(20)] == ["9000"] * 20


def test_a_slow_frame_holds_nobody_up(running: EmulatorProgram, card_reader: CardReader) -> None:
    assert card_reader.connection
    card_reader.connection.sendall(b"\x00")
    assert running.ask("status").returncode == 0
    card_reader.connection.sendall(bytes.fromhex("0B" + SELECT_PIV + "00"))
    assert card_reader.answer().endswith("9000")


def test_a_reader_that_takes_no_answers_is_left(running: EmulatorProgram, card_reader: CardReader) -> None:
    assert card_reader.connection
    card_reader.exchange(SELECT_PIV + "00")
    with pytest.raises(ConnectionError):
        card_reader.connection.sendall(bytes.fromhex("000E" + WHOLE_CERTIFICATE) * 2_000_000)
    card_reader.accept()
    assert card_reader.exchange(SELECT_PIV + "00").endswith("9000")


def test_pulled_in_the_middle_of_a_verify(running: EmulatorProgram, card_reader: CardReader, card_folder: Path) -> None:
    card_reader.exchange(SELECT_PIV + "00")
    card_reader.send("0020008008303030303030FFFF")
    assert card_reader.connection
    card_reader.connection.close()
    card_reader.accept()
    assert card_reader.exchange(SELECT_PIV + "00").endswith("9000")
    assert card_reader.exchange("00200080") == f"63C{tries_left_on_disk(card_folder)}"


def test_a_reader_that_already_has_a_card_is_remarked(
    card_folder: Path, card_reader: CardReader, run_emulator: Run
) -> None:
    """vpcd takes one card; a second one's connection is accepted by nobody."""
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role")
    wait_until(lambda: "is another in it?" in program.log.read_text())
