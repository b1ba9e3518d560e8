"""docs/modes.md against the login tables: each cell of its table is walked, event by event."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import agent
from agent import (
    CARD_READ,
    TABLES,
    Action,
    CardIn,
    CardOut,
    Cue,
    Failed,
    LogOutEnded,
    Mode,
    PasscodeTyped,
    PasscodeWrong,
    ReaderLost,
    State,
    Validated,
    ValidatedOneRole,
)

PAGE = Path(__file__).parents[2] / "docs" / "modes.md"
COLUMNS = {
    "Normal": Mode.NORMAL,
    "Enhanced Normal": Mode.ENHANCED_NORMAL,
    "Session Lock Persistence": Mode.SESSION_LOCK_PERSISTENCE,
    "Mobility": Mode.MOBILITY,
}
OTHER_SIGNS_IN = "another person has signed in"  # which is Validated to the table
Step = Cue | type | str | State  # a state: it begins there
UNLOCK: list[Step] = [Cue.CARD_READ, PasscodeTyped, Cue.RESUMED]
OTHERS: list[Step] = [CardOut, CardIn, Cue.OTHER_CARD, Cue.CARD_READ, PasscodeTyped]
WALKS: dict[str, list[Step]] = {
    "Card out": [CardOut],
    "Reader unplugged, or its service ends": [ReaderLost],
    "The same card in again": [CardOut, CardIn, *UNLOCK],
    "Another card after card out": [CardOut, CardIn, Cue.OTHER_CARD, Cue.CARD_READ, PasscodeTyped, PasscodeWrong],
    "Another person signs in with it": [*OTHERS, OTHER_SIGNS_IN],
    "Its own card comes back after another's": [
        *(*OTHERS, OTHER_SIGNS_IN, Cue.ROLE_SELECTED, CardOut, CardIn, Cue.OTHER_CARD),
        *UNLOCK,
    ],
    "Lock, by the button or a program": [Cue.LOCK],
    "Passcode after a lock": [Cue.LOCK, *UNLOCK],
    "Card out after a lock": [Cue.LOCK, Cue.CARD_READ, CardOut],
    "The desktop locks its screen": [Cue.DESKTOP_LOCKED],
    "The same before a role is chosen": [State.CHOOSING_ROLE, Cue.DESKTOP_LOCKED],
    "The same while it is being chosen": [State.SELECTING_ROLE, Cue.DESKTOP_LOCKED],
    "`mobility_minutes` after card out": [CardOut, Cue.PASSCODE_DUE],
    "Longest time of the broker": [Failed],
    "Idle time of the broker": [Failed],
    "Either time while locked": [Cue.LOCK, Cue.CARD_READ, Failed],
    "The broker has ended the session": [Failed],
    "Network down while signed in": [],
    "Network down while locked": [Cue.LOCK, *UNLOCK],
    "Log out": [Cue.LOG_OUT],
}
OF_THE_BROKER = {Validated, LogOutEnded, Cue.ROLE_SELECTED, Cue.KEPT_ALIVE}
BECOMES = {Action.END_SESSION: "ends", Action.LOCK: "locks", Action.LOCK_AND_READ: "locks", Action.RESUME: "resumes"}


def rows() -> dict[str, list[str]]:
    """Return the cells of the page's table, by what happens."""
    lines = PAGE.read_text().partition("| What happens |")[2].splitlines()
    assert [cell.strip() for cell in lines[0].strip("| ").split("|")] == list(COLUMNS)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:] if line.startswith("|")]
    return {name: rest for name, *rest in cells}


def walk(mode: Mode, steps: list[Step]) -> str:
    """Return what has become, after these events, of a session that somebody is signed in to."""
    state, becomes = State.SIGNED_IN, "goes on"
    for step in steps:
        if isinstance(step, State):
            state = step
            continue
        event, before = ValidatedOneRole if step == OTHER_SIGNS_IN else step, state
        state, action = TABLES[mode].get((state, event), (state, Action.NOTHING))  # type: ignore[arg-type]
        becomes = BECOMES.get(action, becomes)
        if action is Action.READ_CARD and before in (State.CHOOSING_ROLE, State.SELECTING_ROLE):
            becomes = "ends"
        if becomes == "ends" or event is Failed:  # the conductor ends what is locked before it says so
            return "ends"
        if step == OTHER_SIGNS_IN and becomes == "locks":
            becomes = "parks"
        if state is State.WAITING and becomes == "locks":
            state = State.LOCKED
    return becomes


def test_the_page_has_a_row_for_everything_that_happens() -> None:
    assert list(rows()) == list(WALKS)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("happens", WALKS)
def test_each_cell_says_what_the_login_tables_do(happens: str, column: str) -> None:
    cell = rows()[happens][list(COLUMNS).index(column)]
    said = re.match(r"\*\*(.+?)\*\*", cell)
    assert said, cell
    assert said[1] == walk(COLUMNS[column], WALKS[happens])


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_whatever_happens_a_session_that_is_not_kept_leaves_the_signed_in_screen(mode: Mode) -> None:
    for (state, event), (target, action) in TABLES[mode].items():
        if state is State.SIGNED_IN and BECOMES.get(action) in ("ends", "locks"):
            assert target is not State.SIGNED_IN, event


def test_nothing_that_resumes_a_session_comes_from_the_broker() -> None:
    assert not OF_THE_BROKER & {*WALKS["Network down while locked"]}
    assert Cue.CARD_READ in CARD_READ


def test_the_page_names_each_limit_with_its_default() -> None:
    settings = agent.Settings()
    for name in ("mobility_minutes", "parked_sessions", "parked_minutes"):
        assert re.search(rf"`{name}`\s+\({getattr(settings, name)}\)", PAGE.read_text()), name
