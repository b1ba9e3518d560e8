"""Faults of a card in a running emulator: from the command line, and as a reader meets them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, ask, make_card, tries_left_on_disk
from support.emulator_links import CardReader
from support.machine import wait_until

from emulator.errors import ControlError
from emulator.service.control import request

Run = Callable[..., EmulatorProgram]
SELECT = SELECT_PIV + "00"


@pytest.fixture
def running(card_folder, card_reader: CardReader, run_emulator: Run) -> EmulatorProgram:
    """An emulator with one-role in its reader."""
    make_card(card_folder.with_name("no-role"))
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role")
    card_reader.accept()
    assert program.ready()
    return program


def test_a_fault_is_set_told_and_cleared(running: EmulatorProgram) -> None:
    said = running.ask("fault", "one-role", "slow", "preset=contact")
    assert said.stdout == "one-role: Takes its time (20 ms for each command, 600 ms more for a signature)\n"
    assert running.ask("fault", "one-role").stdout == said.stdout
    assert running.ask("fault", "no-role").stdout == "no-role: nothing is wrong\n"
    assert running.ask("fault", "one-role", "clear").stdout == "one-role: nothing is wrong\n"


def test_one_kind_is_cleared(running: EmulatorProgram) -> None:
    running.ask("fault", "one-role", "slow")
    running.ask("fault", "one-role", "certificate", "wrong=expired")
    assert "slow" not in running.ask("fault", "one-role", "clear", "slow").stdout
    assert "expired" in running.ask("fault", "one-role").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["gold"], 4, 'There is no card "gold"'),
        (["one-role", "fly"], 4, 'There is no fault "fly"; there are: pulled'),
        (["one-role", "slow", "speed=1"], 4, '"speed" is not something that slow has'),
        (["one-role", "slow", "command=fast"], 4, "command is something like 20"),
    ],
)
def test_what_cannot_be_set_is_said(arguments: list[str], code: int, sentence: str, running: EmulatorProgram) -> None:
    said = running.ask("fault", *arguments)
    assert said.returncode == code
    assert sentence in said.stderr


def test_no_emulator_runs(card_folder) -> None:
    assert ask(card_folder.parents[1], "fault", "one-role").returncode == 3


def test_help_names_every_kind(card_folder) -> None:
    help_text = ask(card_folder.parents[1], "fault", "--help").stdout
    assert "status         Answers a chosen status word" in help_text
    assert "instruction=any nth=1 times=1 word=6F00" in help_text


def test_a_script_asks_the_socket(running: EmulatorProgram) -> None:
    answer = request(running.data, command="fault", card="one-role", kind="mute", values={})
    assert [fault["kind"] for fault in answer["faults"]] == ["mute"]
    assert {kind["kind"] for kind in request(running.data, command="kinds")["kinds"]} >= {"pulled", "slow"}
    with pytest.raises(ControlError, match="an object"):
        request(running.data, command="fault", card="one-role", kind="mute", values=[1])


def test_pulled_in_the_middle_of_a_command(running: EmulatorProgram, card_reader: CardReader) -> None:
    running.ask("fault", "one-role", "pulled", "instruction=VERIFY")
    assert card_reader.exchange(SELECT).endswith("9000")
    with running.start("trace", "--json") as traced:
        wait_until(lambda: "somebody watches" in running.log.read_text())
        card_reader.send("00200080")
        assert card_reader.card_is_gone()
        said = [json.loads(traced.stdout.readline()) for _ in range(2)]
    assert (said[0]["meaning"], said[0]["faults"]) == ("no answer", ["pulled"])
    assert said[1]["says"] == "The card was pulled in the middle of that"
    wait_until(lambda: request(running.data, command="status")["card"] is None)
    with card_reader.answering_in_background():
        assert running.ask("insert", "one-role").returncode == 0
    assert card_reader.exchange("00200080") == "6D00"


def test_mute_until_it_is_cleared(running: EmulatorProgram, card_reader: CardReader) -> None:
    running.ask("fault", "one-role", "mute")
    card_reader.send(SELECT)
    running.ask("fault", "one-role", "clear")
    assert card_reader.exchange(SELECT).endswith("9000")


def test_slow_holds_up_nobody_else(running: EmulatorProgram, card_reader: CardReader) -> None:
    running.ask("fault", "one-role", "slow", "command=400")
    started = time.monotonic()
    card_reader.send(SELECT)
    card_reader.send("00200080")  # the next comes while the card is still thinking
    assert request(running.data, command="status")["ok"]
    assert time.monotonic() - started < 0.35
    assert card_reader.answer().endswith("9000")
    assert card_reader.answer() == "63C3"
    assert time.monotonic() - started >= 0.8


def test_a_reader_that_hangs_up_on_a_slow_card(running: EmulatorProgram, card_reader: CardReader) -> None:
    running.ask("fault", "one-role", "slow", "command=200")
    card_reader.send(SELECT)
    card_reader.accept()
    running.ask("fault", "one-role", "clear")
    assert card_reader.exchange("00200080") == "6D00"
    assert "Traceback" not in running.log.read_text()


def test_another_atr(running: EmulatorProgram, card_reader: CardReader) -> None:
    running.ask("fault", "one-role", "atr", "answer=3B00")
    assert card_reader.exchange("04") == "3B00"


def test_faults_wait_for_a_card_that_is_not_in(running: EmulatorProgram, card_reader: CardReader) -> None:
    running.ask("fault", "no-role", "status", "word=6A80")
    running.ask("remove")
    with card_reader.answering_in_background():
        running.ask("insert", "no-role")
    assert [card_reader.exchange(SELECT)[-4:] for _ in range(2)] == ["6A80", "9000"]


@pytest.mark.parametrize("card", ["one-role", "no-role"])
def test_few_tries_of_a_card_that_is_in_and_of_one_that_is_not(card: str, running: EmulatorProgram) -> None:
    assert running.ask("fault", card, "tries", "left=1").stdout == f"{card}: nothing is wrong\n"
    assert tries_left_on_disk(running.data / "cards" / card) == 1
    assert f"{card:<14} 555000000002   1 tries left" in running.ask("list").stdout


def test_an_answer_too_long_for_a_reader_s_frame(running: EmulatorProgram, card_reader: CardReader) -> None:
    running.ask("fault", "one-role", "oversized", "extra=60000")
    assert len(card_reader.exchange(SELECT)) // 2 > 60000
    assert card_reader.exchange(SELECT).endswith("9000")
