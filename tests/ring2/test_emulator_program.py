"""`python3 -m emulator` as people and scripts use it: commands, ready line, exit codes, its end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, ask, make_card, write_settings
from support.emulator_links import CardReader
from support.machine import wait_until

from emulator import VirtualCard

Run = Callable[..., EmulatorProgram]


@pytest.fixture
def data(card_folder: Path) -> Path:
    make_card(card_folder.with_name("no-role"), uid="555000000004")
    return card_folder.parents[1]


@pytest.fixture
def running(data: Path, card_reader: CardReader, run_emulator: Run) -> EmulatorProgram:
    """An emulator with one-role in its reader."""
    program = run_emulator(data, card_reader.address, "one-role")
    assert card_reader.accept() == VirtualCard.atr.hex().upper()
    assert program.ready() == f"ready {card_reader.address}"
    return program


def test_a_card_in_the_reader_answers(running: EmulatorProgram, card_reader: CardReader) -> None:
    card_reader.send("01")
    assert card_reader.exchange(SELECT_PIV + "00").endswith("9000")
    card_reader.send("02")
    assert card_reader.exchange("00200080") == "6D00"


def test_without_a_card_the_reader_is_empty(data: Path, card_reader: CardReader, run_emulator: Run) -> None:
    program = run_emulator(data, card_reader.address)
    assert program.ready() == f"ready {card_reader.address}"
    said = program.ask("status")
    assert said.stdout == f"no card in the reader at {card_reader.address}\n"


def test_status_insert_remove(running: EmulatorProgram, card_reader: CardReader) -> None:
    said = running.ask("status").stdout
    assert said == f"one-role is in the reader at {card_reader.address}, 3 tries left\n"
    assert running.ask("remove").stdout.startswith("no card")
    assert card_reader.card_is_gone()
    with card_reader.answering_in_background():
        assert running.ask("insert", "no-role").stdout.startswith("no-role is in the reader")


def test_inserting_pulls_the_card_that_is_in(running: EmulatorProgram, card_reader: CardReader) -> None:
    with card_reader.answering_in_background():
        assert running.ask("insert", "no-role").returncode == 0
    assert "no-role is in" in running.ask("status").stdout


def test_tries_are_seen_from_another_terminal(running: EmulatorProgram, card_reader: CardReader) -> None:
    card_reader.exchange(SELECT_PIV + "00")
    assert card_reader.exchange("0020008008303030303030FFFF") == "63C2"
    assert "2 tries left" in running.ask("status").stdout
    assert "2 tries left" in running.ask("list").stdout


def test_list(data: Path) -> None:
    write_settings(data / "cards" / "no-role", tries_left=0)
    said = ask(data, "list")
    assert said.stdout.splitlines() == [
        "no-role        555000000004   0 tries left, certificate until 2035-01-01",
        "one-role       555000000002   3 tries left, certificate until 2035-01-01",
    ]


def test_insert_of_a_card_that_does_not_exist(running: EmulatorProgram) -> None:
    said = running.ask("insert", "three-roles")
    assert said.returncode == 4
    assert 'There is no card "three-roles"' in said.stderr
    assert "no-role, one-role" in said.stderr


@pytest.mark.parametrize("command", [["list"], ["run"], ["run", "one-role"]])
def test_a_dir_without_cards_says_how_to_get_some(command: list[str], tmp_path: Path) -> None:
    said = ask(tmp_path, *command)
    assert said.returncode == 4
    assert f"python3 -m spine_stub --data {tmp_path}" in said.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["status"], ["remove"], ["insert", "one-role"], ["trace"]])
def test_no_emulator_runs(command: list[str], data: Path) -> None:
    said = ask(data, *command)
    assert said.returncode == 3
    assert "No emulator is running" in said.stderr
    assert f"python3 -m emulator --data {data} run" in said.stderr


@pytest.mark.parametrize(
    "command", [[], ["fly"], ["insert"], *(["run", "--vpcd", vpcd] for vpcd in ("x", "x:0", ":1", "a b:1"))]
)
def test_usage(command: list[str], data: Path) -> None:
    said = ask(data, *command)
    assert said.returncode == 2
    assert said.stderr.startswith("usage:")


def test_a_broken_card(data: Path) -> None:
    write_settings(data / "cards" / "one-role", passcode="1")
    said = ask(data, "run", "one-role")
    assert said.returncode == 4
    assert '"passcode" must be 6 to 8 digits' in said.stderr


def test_help_has_examples(data: Path) -> None:
    assert "python3 -m emulator insert one-role" in ask(data, "--help").stdout


def test_a_second_emulator_on_the_same_dir(running: EmulatorProgram, data: Path) -> None:
    said = ask(data, "run", "no-role", "--vpcd", "127.0.0.1:1")
    assert said.returncode == 2
    assert "An emulator is already running" in said.stderr
    assert "one-role is in" in running.ask("status").stdout


def test_after_a_kill_the_next_one_starts(
    running: EmulatorProgram, data: Path, card_reader: CardReader, run_emulator: Run
) -> None:
    running.process.kill()
    running.process.wait(5)
    assert (data / "emulator.sock").exists()
    assert "No emulator is running" in ask(data, "status").stderr
    assert run_emulator(data, card_reader.address).ready()


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_ends_at_once(end: signal.Signals, code: int, running: EmulatorProgram, card_reader: CardReader) -> None:
    os.kill(running.process.pid, end)
    assert running.process.wait(2) == code
    assert card_reader.card_is_gone()
    assert not (running.data / "emulator.sock").exists()


def test_ends_with_stdin(data: Path, card_reader: CardReader, run_emulator: Run) -> None:
    program = run_emulator(data, card_reader.address, None, "--stop-with-stdin")
    assert program.ready()
    program.process.stdin.close()
    assert program.process.wait(2) == 0


def test_trace(running: EmulatorProgram, card_reader: CardReader, run_emulator: Run) -> None:
    with running.start("trace") as words, running.start("trace", "--json") as lines:
        wait_until(lambda: running.log.read_text().count("somebody watches") == 2)
        card_reader.exchange(SELECT_PIV + "00")
        card_reader.exchange("0020008008313233343536FFFF")
        assert words.stdout.readline().startswith(
            "Choose the identity application (PIV) [SELECT, P1 04, P2 00]: 9000 done, 62 bytes, "
        )
        assert words.stdout.readline().startswith("Try a passcode [VERIFY, P1 00, P2 80]: 9000 done, 0 ")
        assert json.loads(lines.stdout.readline())["status"] == "9000"
        assert json.loads(lines.stdout.readline())["apdu"] == "00 20 00 80" + " .." * 9
        running.stop()
        assert words.wait(5) == lines.wait(5) == 3
    assert "123456" not in running.log.read_text()
    assert "31 32 33" not in running.log.read_text()
