"""Several cards at once: vpcd's slots, other ports, hundreds of readers in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, ask, make_card, tries_left_on_disk
from support.emulator_links import CardReader
from support.machine import wait_until

from emulator.errors import CardError
from emulator.reader.slot import Address
from emulator.reader.slots import parse_cards, parse_place
from emulator.service.control import request

Run = Callable[..., EmulatorProgram]
FIRST = Address("127.0.0.1", 35963)
WRONG = "0020008008303030303030FFFF"


@pytest.fixture
def two_readers() -> Iterator[list[CardReader]]:
    """Two readers at neighbouring ports, as vpcd's two slots."""
    while True:
        first = CardReader()
        try:
            second = CardReader(first.port + 1)
            break
        except OSError:
            first.close()
    yield [first, second]
    first.close()
    second.close()


@pytest.fixture
def data(card_folder: Path) -> Path:
    make_card(card_folder.with_name("no-role"), uid="555000000004")
    return card_folder.parents[1]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0", "127.0.0.1:35963"),
        ("1", "127.0.0.1:35964"),
        ("999", "127.0.0.1:36962"),
        ("1000", "127.0.0.1:1000"),
        ("40001", "127.0.0.1:40001"),
        ("192.0.2.7:5", "192.0.2.7:5"),
        ("[::1]:5", "[::1]:5"),
    ],
)
def test_places(text: str, place: str) -> None:
    assert str(parse_place(text, FIRST)) == place


@pytest.mark.parametrize("text", ["", "-1", "x", "70000", "1.5", "٣", "127.0.0.1:0"])
def test_no_places(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse_place(text, FIRST)


def test_cards_without_a_place_take_the_next_slot() -> None:
    assert {place.port: card for place, card in parse_cards(["a", "b", "c@5", "d"], FIRST).items()} == {
        35963: "a",
        35964: "b",
        35968: "c",
        35969: "d",
    }
    assert parse_cards([], FIRST) == {}


@pytest.mark.parametrize("cards", [["a", "b@0"], ["a", "a"], ["a@0", "a@1"], ["a@x"], ["a@"]])
def test_cards_that_do_not_fit(cards: list[str]) -> None:
    with pytest.raises(CardError, match=r"\.$"):
        parse_cards(cards, FIRST)


@pytest.fixture
def running(data: Path, two_readers: list[CardReader], run_emulator: Run) -> EmulatorProgram:
    program = run_emulator(data, two_readers[0].address, ["one-role", "no-role@1"])
    assert [reader.accept() != "" for reader in two_readers] == [True, True]
    assert {program.ready(), program.ready()} == {f"ready {reader.address}" for reader in two_readers}
    return program


def test_two_cards_are_two_cards(running: EmulatorProgram, two_readers: list[CardReader], data: Path) -> None:
    one, two = two_readers
    one.exchange(SELECT_PIV + "00")
    assert two.exchange("00200080") == "6D00"
    two.exchange(SELECT_PIV + "00")
    assert two.exchange(WRONG) == "63C2"
    assert one.exchange("00200080") == "63C3"
    assert running.ask("status").stdout.splitlines() == [
        f"one-role is in the reader at {one.address}, 3 tries left",
        f"no-role is in the reader at {two.address}, 2 tries left",
    ]
    assert tries_left_on_disk(data / "cards" / "no-role") == 2


def test_insert_and_remove_name_a_slot(running: EmulatorProgram, two_readers: list[CardReader]) -> None:
    one, two = two_readers
    assert running.ask("remove", "@1").stdout.startswith(f"no card in the reader at {two.address}")
    assert two.card_is_gone()
    assert running.ask("remove", "one-role").stdout.startswith(f"no card in the reader at {one.address}")
    with two.answering_in_background():
        assert f"one-role is in the reader at {two.address}" in running.ask("insert", "one-role@1").stdout
    assert "is in no reader" in running.ask("remove", "no-role").stderr
    assert request(running.data, command="status", reader=2)["card"] == "one-role"
    assert request(running.data, command="status", reader="1")["card"] == "one-role"


def test_a_card_is_in_one_reader_at_a_time(running: EmulatorProgram, two_readers: list[CardReader]) -> None:
    one, two = two_readers
    one.exchange(SELECT_PIV + "00")
    assert one.exchange(WRONG) == "63C2"
    with two.answering_in_background():
        assert "2 tries left" in running.ask("insert", "one-role@1").stdout
    assert one.card_is_gone()


@pytest.mark.parametrize("reader", ["3", "@x", "@70000"])
def test_no_such_reader(reader: str, running: EmulatorProgram) -> None:
    said = running.ask("remove", reader)
    assert said.returncode == 4
    assert said.stderr.endswith(".\n")


def test_cards_that_cannot_run_together(data: Path) -> None:
    said = ask(data, "run", "one-role@0", "one-role@1")
    assert (said.returncode, said.stderr.count("\n")) == (4, 1)
    assert "copy one-role NEW" in said.stderr


def test_a_busy_reader_does_not_hold_the_others_up(running: EmulatorProgram, two_readers: list[CardReader]) -> None:
    """One reader sends without end and reads nothing; the other is answered at once."""
    busy, other = (reader.connection for reader in two_readers)
    assert busy
    assert other
    busy.setblocking(False)
    burst = bytes.fromhex("000B" + SELECT_PIV + "00") * 1000
    sent = 0

    def fill() -> bool:
        nonlocal sent
        try:
            sent += busy.send(burst)
        except (BlockingIOError, ConnectionError):
            return True
        return False

    wait_until(fill)
    assert two_readers[1].exchange(SELECT_PIV + "00").endswith("9000")


def test_many_readers_in_one_process(data: Path, run_emulator: Run) -> None:
    """64 cards, each with its own connection; one thread."""
    readers = [CardReader() for _ in range(64)]
    for number in range(len(readers)):
        make_card(data / "cards" / f"card-{number}", guid=f"{number:032x}")
    places = [f"card-{number}@{reader.port}" for number, reader in enumerate(readers)]
    program = run_emulator(data, readers[0].address, places, log_level="info")
    try:
        for reader in readers:
            reader.accept()
        assert {program.ready() for _ in readers} == {f"ready {reader.address}" for reader in readers}
        for number, reader in enumerate(readers):
            reader.exchange(SELECT_PIV + "00")
            assert f"3410{number:032X}" in reader.exchange("00CB3FFF055C035FC10200")
        threads = Path(f"/proc/{program.process.pid}/status").read_text().split("Threads:")[1].split()[0]
        assert int(threads) <= 2
    finally:
        for reader in readers:
            reader.close()


def test_a_host_that_is_no_plain_address_is_looked_up(data: Path, card_reader: CardReader, run_emulator: Run) -> None:
    """127.1 is one that getaddrinfo knows on every PC, also without a hosts file."""
    program = run_emulator(data, f"127.1:{card_reader.port}", "one-role")
    card_reader.accept()
    assert program.ready() == f"ready 127.1:{card_reader.port}"
