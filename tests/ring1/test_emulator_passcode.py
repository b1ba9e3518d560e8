"""A try that was spent stays spent: whatever fails, whenever the process is killed."""

from __future__ import annotations

import hmac
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.emulator import SELECT_PIV, EmulatorProgram, send, tries_left_on_disk
from support.emulator import write_settings as write
from support.emulator_links import CardReader

from emulator import Card, VirtualCard
from emulator.store import card_json, durable

WRONG = "0020008008303030303030FFFF"
RIGHT = "0020008008313233343536FFFF"


@pytest.fixture
def selected(card_folder: Path) -> VirtualCard:
    return select(card_folder)


def select(card_folder: Path) -> VirtualCard:
    card = VirtualCard(Card.open(card_folder))
    assert send(card, SELECT_PIV + "00")[1] == "9000"
    return card


def test_a_try_is_on_the_disk_before_the_comparison(
    card_folder: Path, selected: VirtualCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def compare(presented: bytes, value: bytes) -> bool:
        seen.append(tries_left_on_disk(card_folder))
        return presented == value

    monkeypatch.setattr(hmac, "compare_digest", compare)
    send(selected, WRONG)
    send(selected, RIGHT)
    assert seen == [2, 1]
    assert tries_left_on_disk(card_folder) == 3


@pytest.mark.parametrize(("fails", "before"), [("open", ()), ("replace", ()), ("pwrite", (RIGHT,))])
@pytest.mark.logs_errors("the card says that it cannot write")
def test_without_a_record_there_is_no_comparison(
    fails: str, before: tuple[str, ...], card_folder: Path, selected: VirtualCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try rewrites the file in the card's own way; from then on a try changes one digit of it."""
    for command in before:
        send(selected, command)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, refuse)
    assert send(selected, RIGHT) == ("", "6581")
    assert send(selected, "00200080") == ("", "63C3")
    monkeypatch.undo()
    assert tries_left_on_disk(card_folder) == 3
    assert send(selected, RIGHT) == ("", "9000")


def test_a_locked_card_is_locked_tomorrow(card_folder: Path, selected: VirtualCard) -> None:
    assert [send(selected, WRONG)[1] for _ in range(3)] == ["63C2", "63C1", "63C0"]
    assert send(select(card_folder), RIGHT) == ("", "6983")


def test_tries_are_of_the_card_and_not_of_the_session(card_folder: Path) -> None:
    assert send(select(card_folder), WRONG) == ("", "63C2")
    card = select(card_folder)
    assert send(card, "00200080") == ("", "63C2")
    card.reset()
    assert send(card, SELECT_PIV + "00")[1] == "9000"
    assert send(card, WRONG) == ("", "63C1")


def test_writing_keeps_what_others_wrote(card_folder: Path) -> None:
    write(card_folder, note="of the ward", tries_left=2)
    send(select(card_folder), WRONG)
    values = json.loads((card_folder / "card.json").read_text())
    assert values["note"] == "of the ward"
    assert values["tries_left"] == 1
    assert (card_folder / "card.json").stat().st_mode & 0o777 == 0o600


def test_writing_keeps_what_was_edited_meanwhile(card_folder: Path, selected: VirtualCard) -> None:
    write(card_folder, passcode="654321")
    assert send(selected, WRONG) == ("", "63C2")
    assert send(selected, RIGHT) == ("", "9000")
    assert json.loads((card_folder / "card.json").read_text())["passcode"] == "654321"


@pytest.mark.logs_errors("the card says that it cannot write")
def test_a_file_that_was_broken_meanwhile_stays_and_nothing_is_compared(
    card_folder: Path, selected: VirtualCard
) -> None:
    (card_folder / "card.json").write_text("{ half an edit")
    assert send(selected, RIGHT) == ("", "6581")
    assert (card_folder / "card.json").read_text() == "{ half an edit"


def test_a_half_written_file_is_never_seen(
    card_folder: Path, selected: VirtualCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    replace = os.replace

    def watch(new: Path, old: Path) -> None:
        contents.extend([Path(old).read_bytes(), Path(new).read_bytes()])
        replace(new, old)

    monkeypatch.setattr(os, "replace", watch)
    send(selected, WRONG)
    assert [json.loads(content)["tries_left"] for content in contents] == [3, 2]
    assert not list(card_folder.glob(".*"))


def test_a_try_is_one_digit_in_its_place(card_folder: Path, selected: VirtualCard) -> None:
    """A rename is waited for by some file systems, in the middle of a sign-in."""
    send(selected, RIGHT)  # rewrites the file in the card's own way
    before = (card_folder / "card.json").stat().st_ino
    send(selected, WRONG)
    assert (card_folder / "card.json").stat().st_ino == before
    assert tries_left_on_disk(card_folder) == 2


def test_a_file_that_is_read_only_is_replaced(
    card_folder: Path, selected: VirtualCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")  # as anybody but root is told

    with monkeypatch.context() as patch:
        patch.setattr(durable, "open", refuse, raising=False)
        patch.setattr(card_json, "read", Path.read_bytes)
        patch.setattr(card_json, "write_atomically", lambda path, content: path.write_bytes(content))
        assert send(selected, WRONG) == ("", "63C2")
    assert tries_left_on_disk(card_folder) == 2


@pytest.mark.parametrize("moment", range(8))
def test_killed_at_a_verify_gives_no_try_back(
    moment: int, card_folder: Path, card_reader: CardReader, run_emulator: Callable[..., EmulatorProgram]
) -> None:
    """Killed right after sending (even moments: some frames later), or after the answer (odd)."""
    write(card_folder, tries=15, tries_left=15)
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role")
    card_reader.accept()
    card_reader.exchange(SELECT_PIV)
    answered = sum(card_reader.exchange(WRONG).startswith("63C") for _ in range(moment // 2))
    if moment % 2:
        answered += card_reader.exchange(WRONG).startswith("63C")
    else:
        card_reader.send(WRONG)
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.wait(5)
    left = tries_left_on_disk(card_folder)
    assert left in ({15 - answered} if moment % 2 else {15 - answered, 15 - answered - 1})
    assert Card.open(card_folder).passcode.tries_left == left


def test_passcodes_are_in_no_repr(card_folder: Path) -> None:
    card = select(card_folder)
    things = [card, card.card, card.card.passcode, card_json.CardFile(card_folder), card.state]
    assert not any("123456" in repr(thing) for thing in things)
