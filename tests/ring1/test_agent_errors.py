"""Every way a sign-in can fail: a sentence, what to do next, the contract's exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import agent
from agent import CARD_FAULTS, LASTING_FAULTS, AgentError, Fault


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
def test_a_sentence_and_what_to_do(fault: Fault) -> None:
    said = AgentError(fault)
    assert said.says.endswith(".")
    assert said.says[0].isupper()
    assert len(said.says) < 100
    assert said.advice
    assert said.advice[0].isupper()
    assert str(said) == f"{said.says} {said.advice}"
    assert "\n" not in str(said)


def test_no_two_faults_say_the_same() -> None:
    assert len({fault.says for fault in Fault.__members__.values()}) == len(Fault.__members__)


def test_what_is_known_of_a_fault_is_said_in_place_of_its_own_words() -> None:
    error = AgentError(Fault.NO_READER, says="No reader here.", advice="Buy one.")
    assert str(error) == "No reader here. Buy one."
    assert str(agent.UsageError("No such thing.")).startswith("No such thing. See")


@pytest.mark.parametrize(
    ("exit_code", "faults"), [(4, CARD_FAULTS), (6, LASTING_FAULTS), (7, CARD_FAULTS & LASTING_FAULTS)]
)
def test_what_another_card_or_nothing_helps_with(exit_code: int, faults: set[Fault]) -> None:
    assert {fault for fault in Fault if fault.exit_code == exit_code} <= faults


@pytest.mark.parametrize(("left", "words"), [(2, "2 tries left."), (1, "1 try left."), (10, "10 tries left.")])
def test_a_wrong_passcode_says_how_many_tries_are_left(left: int, words: str) -> None:
    assert words in str(agent.WrongPasscode(left))


def test_the_technical_line_is_for_the_service_desk_only() -> None:
    error = AgentError(Fault.BROKER_FAULT, "POST /login/authactivate, HTTP 503")
    assert "503" in error.technical
    assert "503" not in str(error)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (36000, "10 hours"),
        (5400, "1 hour 30 minutes"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (0, "less than a minute"),
        (-5, "less than a minute"),
    ],
)
def test_time_left_as_people_say_it(seconds: float, words: str) -> None:
    assert agent.describe_time_left(seconds) == words


ROLES = [
    agent.Role("100", "RXX", "LEEDS", "Clinical", "Provision", "Nurse"),
    agent.Role("2", None, "YORK", "Clinical", "Provision", "Doctor"),
]


@pytest.mark.parametrize(("wanted", "index"), [("100", 0), ("1", 0), ("2", 1)])
def test_a_role_is_found_by_its_id_first_and_then_by_number(wanted: str, index: int) -> None:
    assert agent.find_role(ROLES, wanted) is ROLES[index]


@pytest.mark.parametrize("wanted", ["0", "3", "-1", "", "nurse", "²", "\uff11"])
def test_a_role_that_is_not_there(wanted: str) -> None:
    with pytest.raises(agent.UsageError) as caught:
        agent.find_role(ROLES, wanted)
    assert "1 to 2" in str(caught.value)


def test_a_role_in_words() -> None:
    assert agent.describe_role(ROLES[0]) == "Nurse at LEEDS (RXX)"
    assert agent.describe_role(ROLES[1]) == "Doctor at YORK"


def test_sentences_are_there_without_docstrings() -> None:
    """As `python -OO` runs the agent, which leaves all docstrings out."""
    names: dict[str, Any] = {"__name__": "agent", "__file__": agent.__file__}
    exec(compile(Path(agent.__file__).read_text(), agent.__file__, "exec", optimize=2), names)  # noqa: S102
    assert names["AgentError"].__doc__ is None
    assert str(names["AgentError"](names["Fault"].NO_READER)) == str(AgentError(Fault.NO_READER))


STEERING = {
    "escape sequence": "\x1b[2K\rLogged out.",
    "C1 control": "\x9b2J",
    "line break": "a\nb\r\nc",
    "Unicode's line breaks": "a\u2028b\u2029c\x85d",
    "right to left": "\u202edrowssap\u2066\u200f",
    "hidden": "a\u200bb\ufeff\U000e0041",
    "half a surrogate pair": "\ud800",
    "NUL": "a\0b",
}


@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
def test_text_from_outside_steers_nothing(text: str) -> None:
    assert agent.clean(text).isprintable()
    assert AgentError(Fault.BROKER_FAULT, text).technical.isprintable()
    assert str(agent.UsageError(f"{text} is no folder.")).isprintable()


def test_text_from_outside_is_else_as_it_was() -> None:
    assert agent.clean(" Zo\xeb  O'Neill-\u6797 (RXX)\t") == "Zo\xeb O'Neill-\u6797 (RXX)"
    assert len(agent.clean("x" * 3_000_000)) == 200
