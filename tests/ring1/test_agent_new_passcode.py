"""Which new passcodes are taken, and why the others are not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.agent import fails

from agent import AgentError, Fault, Passcode

UID = "555021935774"


def refused(new: str, old: str = "802917") -> str:
    with fails(Fault.WEAK_PASSCODE) as caught:
        Passcode(new).check_new(UID, Passcode(old))
    assert caught.value.advice == "Choose another one, of 6 to 8 digits."
    assert new not in str(caught.value)
    return caught.value.says


@pytest.mark.parametrize("new", ["1490", "71490"])
def test_a_short_one(new: str) -> None:
    assert "6 to 8 digits" in refused(new)


@pytest.mark.parametrize(
    "new", ["000000", "7777777", "121212", "12121212", "1212121", "482482", "48248248", "39173917"]
)
def test_one_that_repeats_itself(new: str) -> None:
    assert "repeats itself" in refused(new)


@pytest.mark.parametrize("new", ["123456", "23456789", "654321", "98765432", "890123", "210987"])
def test_one_that_counts(new: str) -> None:
    assert "count up or down" in refused(new)


@pytest.mark.parametrize("new", ["555021", "21935774", "193577"])
def test_one_that_is_part_of_the_number_on_the_card(new: str) -> None:
    assert "part of your number" in refused(new)


def test_the_old_one() -> None:
    assert "have now" in refused("802917")


@pytest.mark.parametrize("new", ["802918", "246810", "135791", "112233", "123457", "19571130", "120345"])
def test_others_are_taken(new: str) -> None:
    Passcode(new).check_new(UID, Passcode("802917"))
    Passcode(new).check_new(UID)


@given(st.from_regex("[0-9]{4,8}", fullmatch=True))
def test_whatever_is_typed_there_is_a_reason_or_it_is_taken(new: str) -> None:
    passcode = Passcode(new)
    with contextlib.suppress(AgentError):
        passcode.check_new(UID)
    with passcode.typed() as digits:
        assert digits == new.encode()  # it can still be used
