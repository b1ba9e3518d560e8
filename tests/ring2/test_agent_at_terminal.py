"""`agent.py login` with a person at a terminal: questions, pulled cards, Ctrl-C; echo always returns."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.agent_program import AtTerminal, SitDown, at
from support.emulator import tries_left_on_disk
from support.spine import Spine

WELCOME = "Put your card into the reader."


@pytest.fixture
def slot(data: Path, port: int) -> Iterator[Slot]:
    slot = Slot(data, f"127.0.0.1:{port}")
    yield slot
    slot.close()


@pytest.fixture
def terminal(spine: Spine, port: int, slot: Slot, at_terminal: SitDown) -> AtTerminal:
    """The agent in a terminal, waiting for a card."""
    terminal = at_terminal(*at(spine, port), "login")
    terminal.sees(WELCOME)
    return terminal


def asked_for_a_passcode(terminal: AtTerminal, slot: Slot, card: str) -> None:
    slot.insert(card)
    terminal.sees("Passcode: ")


def test_a_wrong_passcode_then_the_right_one_then_a_role(terminal: AtTerminal, slot: Slot) -> None:
    asked_for_a_passcode(terminal, slot, "three-roles")
    assert not terminal.echoes
    terminal.types("919191\n")
    terminal.sees("2 tries left")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    terminal.sees("  3  ")
    terminal.sees("Which role? Number: ")
    assert terminal.echoes
    terminal.reads()
    terminal.types("7\n")
    terminal.sees("You have no role 7")
    terminal.sees("Which role? Number: ")
    terminal.reads()
    terminal.types("2\n")
    terminal.sees("Role: ")
    terminal.sees("Logged out.")
    assert terminal.ends() == 0
    assert "123456" not in terminal.shown
    assert "919191" not in terminal.shown
    assert "AQIC" not in terminal.shown


def test_the_question_stays_the_last_line_below_the_story(
    spine: Spine, slot: Slot, port: int, at_terminal: SitDown
) -> None:
    terminal = at_terminal(*at(spine, port), "--explain", "login")
    terminal.sees(WELCOME)
    slot.insert("one-role")
    terminal.sees("login/authactivate")
    terminal.sees("Passcode: ")
    assert terminal.shown.endswith("Passcode: ")
    terminal.types("123\n")
    terminal.sees("cannot be a passcode")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    assert terminal.ends() == 0


def test_what_cannot_be_a_passcode_is_asked_again(terminal: AtTerminal, slot: Slot) -> None:
    asked_for_a_passcode(terminal, slot, "one-role")
    terminal.types("123456789\n")
    terminal.sees("cannot be a passcode")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    terminal.sees("Signed in as ")
    assert terminal.ends() == 0


def test_a_card_pulled_while_the_passcode_is_typed(terminal: AtTerminal, slot: Slot) -> None:
    asked_for_a_passcode(terminal, slot, "one-role")
    terminal.types("123")
    slot.pull()
    terminal.sees("The card was taken out.", deadline=2)
    assert terminal.ends() == 10
    assert terminal.echoes


def test_a_card_pulled_while_the_role_is_chosen(terminal: AtTerminal, slot: Slot, spine: Spine) -> None:
    asked_for_a_passcode(terminal, slot, "three-roles")
    terminal.types("123456\n")
    terminal.sees("Which role? Number: ")
    slot.pull()
    assert terminal.ends() == 10
    assert any("authlogout" in line for line in spine.log)


@pytest.mark.parametrize("how", ["key", "SIGINT", "SIGTERM"])
def test_ctrl_c_ends_it_and_the_terminal_echoes(how: str, terminal: AtTerminal, slot: Slot) -> None:
    asked_for_a_passcode(terminal, slot, "one-role")
    assert not terminal.echoes
    if how == "key":
        terminal.types("12\x03")
    else:
        terminal.signals(signal.Signals[how])
    assert terminal.ends(5) == 130, terminal.shown
    assert terminal.echoes
    assert "Traceback" not in terminal.shown


def test_ctrl_c_before_a_card(terminal: AtTerminal) -> None:
    terminal.types("\x03")
    assert terminal.ends(5) == 130


def test_ctrl_d_at_the_passcode(terminal: AtTerminal, slot: Slot) -> None:
    asked_for_a_passcode(terminal, slot, "one-role")
    terminal.types("\x04")
    assert terminal.ends(5) == 130
    assert terminal.echoes


@pytest.fixture
def one_try_left(data: Path) -> Path:
    path = data / "cards" / "one-role" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tries_left": 1}))
    return path.parent


@pytest.mark.parametrize(
    ("passcode", "answer", "code", "left"),
    [("123456", "y", 0, 3), ("000000", "n", 130, 1), ("000000", "", 130, 1), ("000000", "y", 6, 0)],
)
def test_the_last_try_is_asked_about(
    passcode: str, answer: str, code: int, left: int, one_try_left: Path, terminal: AtTerminal, slot: Slot
) -> None:
    asked_for_a_passcode(terminal, slot, "one-role")
    terminal.types(f"{passcode}\n")
    terminal.sees("Use it? [y/N] ")
    terminal.reads()
    terminal.types(f"{answer}\n")
    assert terminal.ends() == code
    assert tries_left_on_disk(one_try_left) == left


def test_json_at_a_terminal_and_the_session_is_over(spine: Spine, slot: Slot, port: int, at_terminal: SitDown) -> None:
    terminal = at_terminal(*at(spine, port), "login", "--json", "--role", "1")
    terminal.sees(WELCOME)
    asked_for_a_passcode(terminal, slot, "three-roles")
    terminal.types("123456\n")
    terminal.sees('"logout_url"')
    assert terminal.ends() == 0
    line = next(line for line in terminal.shown.splitlines() if line.startswith("{"))
    assert json.loads(line)["ticket"] is None
    assert any("authlogout" in line and "ended=True" in line for line in spine.log)


def test_the_card_is_in_already(spine: Spine, slot: Slot, port: int, at_terminal: SitDown) -> None:
    slot.insert("one-role")
    terminal = at_terminal(*at(spine, port), "login")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    assert terminal.ends() == 0


def test_a_second_enter_answers_no_question_that_nobody_has_read(data: Path, at_terminal: SitDown) -> None:
    """At each of the three questions: the role, nothing that is a role, and the log-out."""
    terminal = at_terminal("--demo", "--data", data)
    terminal.sees("Passcode: ")
    terminal.types("123456\n2\n")
    terminal.sees("Which role? Number: ")
    terminal.types("3\n")
    terminal.sees("Which role? Number: ")
    terminal.reads()
    terminal.types("\n")
    terminal.sees("Which role? Number: ")
    assert "You have no role" not in terminal.shown
    terminal.reads()
    terminal.types("1\n")
    terminal.sees("Press Enter to log out")
    terminal.types("\n\n")
    terminal.reads()
    assert terminal.process.poll() is None
    assert "Logged out." not in terminal.shown
    terminal.reads()  # each Enter has begun the time anew
    terminal.types("\n")
    terminal.sees("Logged out.")
    assert terminal.ends() == 0


def test_a_weak_new_passcode_is_refused_with_the_reason_and_asked_again(
    data: Path, port: int, slot: Slot, at_terminal: SitDown
) -> None:
    slot.insert("one-role")
    terminal = at_terminal("--reader", f"embedded:{port}", "passcode")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    for weak, why in (
        ("1357", "6 to 8 digits"),
        ("777777", "repeats itself"),
        ("123456", "count up"),
        ("55500000", "number"),
    ):
        terminal.sees("New passcode: ")
        terminal.types(f"{weak}\n")
        terminal.sees(why)
    for again in ("802918", "802917"):
        terminal.sees("New passcode: ")
        terminal.types("802917\n")
        terminal.sees("New passcode again: ")
        terminal.types(f"{again}\n")
    terminal.sees("The passcode is changed.")
    assert terminal.ends() == 0
    assert "802917" not in terminal.shown
    assert json.loads((data / "cards" / "one-role" / "card.json").read_text())["passcode"] == "802917"
