"""What happens to tickets on their way, and what the broker makes of it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_stub.explain.hints import HINTS
from spine_stub.sessions.tickets import Arrived, arrived, new_ticket

WHOLE = new_ticket(lambda size: (b"\xfb\xef\xbe" * size)[:size])


def test_the_ticket_of_these_tests_has_what_gets_lost() -> None:
    assert WHOLE.count("+") > 1
    assert (WHOLE.count("="), WHOLE[-1], len(WHOLE)) == (2, "#", 62)


@pytest.mark.parametrize(
    ("came", "damage"),
    [
        (WHOLE[:-1], "ticket-hash-lost"),
        (WHOLE.replace("+", " "), "ticket-plus-lost"),
        (WHOLE[:-1].replace("+", " "), "ticket-hash-lost"),
        (quote(WHOLE, safe=""), "ticket-encoded-twice"),
        (quote(quote(WHOLE, safe=""), safe=""), "ticket-encoded-twice"),
        (f'"{WHOLE}"', "ticket-in-quotes"),
        (f"'{WHOLE}'", "ticket-in-quotes"),
        (f"{WHOLE}\r\n", "ticket-with-white-space"),
        (f"  {WHOLE} ", "ticket-with-white-space"),
        (f"{WHOLE[:40]}\n{WHOLE[40:]}", "ticket-with-white-space"),
        (quote(f'"{WHOLE[:-1]}"\n'), "ticket-hash-lost"),
    ],
)
def test_a_damage_is_told_and_undone(came: str, damage: str) -> None:
    assert arrived(came) == Arrived(WHOLE, damage)


@pytest.mark.parametrize("length", [8, 30, 47, 48, 60])
def test_a_beginning_is_told(length: int) -> None:
    """48 characters are what is left by a split at "=", with the padding; 47 without."""
    assert arrived(WHOLE[:length]).damage == "ticket-cut"


@pytest.mark.parametrize("ticket", [WHOLE, "", "guessed", "#", "%", "AQIC", WHOLE + WHOLE, f"x{WHOLE}", WHOLE * 1000])
def test_what_is_whole_or_no_ticket_is_not_damaged(ticket: str) -> None:
    assert arrived(ticket) == Arrived(ticket)


@given(st.text())
def test_any_text_can_arrive(text: str) -> None:
    assert arrived(text).damage in ("", *HINTS)


@given(st.binary(min_size=29, max_size=29))
def test_every_ticket_is_whole(opaque: bytes) -> None:
    ticket = new_ticket(lambda _: opaque)
    assert arrived(ticket) == Arrived(ticket)
