"""Every way a sign-in can fail: a sentence, what to do next, the contract's exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import agent
from agent import AgentError

# README.md, "Exit code": each error, and all that derive from it.
EXIT_CODES = {
    "UnexpectedError": 1,
    "UsageError": 2,
    "ReaderError": 3,
    "CardError": 4,
    "PasscodeError": 5,
    "PasscodeLocked": 6,
    "CertificateError": 7,
    "BrokerUnreachable": 8,
    "BrokerError": 9,
    "CardRemoved": 10,
    "Interrupted": 130,
}
WITH_A_REASON = {"WrongPasscode": (2,), "UsageError": ("No such thing.",), "ReaderNotFound": ("One", ["Another"])}
WITH_A_REASON["DemonstrationFailed"] = WITH_A_REASON["UsageError"]


def every_error(base: type[AgentError] = AgentError) -> list[type[AgentError]]:
    own = [each for each in base.__subclasses__() if each.__module__ in ("agent", "demo")]
    return [base, *(error for each in own for error in every_error(each))]


ERRORS = every_error()[1:]
SAID = [error for error in ERRORS if "sentence" in vars(error)]  # the others are only kinds of error


def made(error: type[AgentError]) -> AgentError:
    return error(*WITH_A_REASON.get(error.__name__, ()))


@pytest.mark.parametrize("error", SAID, ids=lambda error: error.__name__)
def test_a_sentence_and_what_to_do(error: type[AgentError]) -> None:
    said = made(error)
    assert said.says.endswith(".")
    assert said.says[0].isupper()
    assert len(said.says) < 100
    if not isinstance(said, agent.UsageError):
        assert said.advice
        assert said.advice[0].isupper()
    assert str(said).startswith(said.says)
    assert "\n" not in str(said)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_contract_s_exit_code(error: type[AgentError]) -> None:
    nearest = next(base.__name__ for base in error.__mro__ if base.__name__ in EXIT_CODES)
    assert made(error).exit_code == EXIT_CODES[nearest]


def test_every_error_of_the_contract_is_there() -> None:
    assert set(EXIT_CODES) <= {error.__name__ for error in ERRORS}


def test_what_is_only_a_kind_of_error_is_not_raised() -> None:
    source = Path(agent.__file__).read_text()
    assert not [error for error in set(ERRORS) - set(SAID) if re.search(rf"raise {error.__name__}\b", source)]


def test_no_two_errors_say_the_same() -> None:
    said = [error.says for error in SAID]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(("left", "words"), [(2, "2 tries left."), (1, "1 try left."), (10, "10 tries left.")])
def test_a_wrong_passcode_says_how_many_tries_are_left(left: int, words: str) -> None:
    assert words in str(agent.WrongPasscode(left))


def test_the_technical_line_is_for_the_service_desk_only() -> None:
    error = agent.BrokerFault("POST /login/authactivate, HTTP 503")
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
    names: dict[str, Any] = {"__name__": "agent"}
    exec(compile(Path(agent.__file__).read_text(), agent.__file__, "exec", optimize=2), names)  # noqa: S102
    assert names["AgentError"].__doc__ is None
    assert str(names["NoReader"]()) == str(agent.NoReader())


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
    assert agent.BrokerFault(text).technical.isprintable()
    assert str(agent.UsageError(f"{text} is no folder.")).isprintable()


def test_text_from_outside_is_else_as_it_was() -> None:
    assert agent.clean(" Zo\xeb  O'Neill-\u6797 (RXX)\t") == "Zo\xeb O'Neill-\u6797 (RXX)"
    assert len(agent.clean("x" * 3_000_000)) == 200
