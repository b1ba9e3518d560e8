"""The login table: every pair of state and event, and what must hold of it as a whole."""

from __future__ import annotations

import inspect
import typing

import pytest

import agent
from agent import TABLES, Action, CardOut, Cue, Event, Mode, ReaderLost, State, Validated

TABLE = TABLES[Mode.NORMAL]
KEEPING = (Mode.SESSION_LOCK_PERSISTENCE, Mode.MOBILITY)
each_mode = pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
WITH_MORE = tuple(set(typing.get_args(Event)) - {Cue})
EVENTS: list[Cue | type] = [
    *Cue,
    *(each for _, each in inspect.getmembers(agent, inspect.isclass) if issubclass(each, WITH_MORE)),
]
# Where each event leads from each state. Every pair that is not here must change nothing.
LEGAL = """
NO_READER:      ReaderReady WAITING, CardIn READING
WAITING:        CardIn READING, LogOutEnded WAITING, Failed PROBLEM
READING:        CARD_READ PASSCODE, CARD_READ_LAST_TRY LAST_TRY, PasscodeTyped READING_TYPED,
                CARD_READ_OWN_PAD SIGNING_IN, CARD_READ_OWN_PAD_LAST_TRY CONFIRMING,
                CARD_READ_SEVERAL CHOOSING_CERTIFICATE, SEVERAL_CARDS CHOOSING_CARD,
                CARD_UNUSABLE READING, NO_CARD_LEFT WAITING, Failed PROBLEM
READING_TYPED:  CARD_READ SIGNING_IN, CARD_READ_LAST_TRY CONFIRMING, CARD_UNUSABLE READING,
                CARD_READ_OWN_PAD SIGNING_IN, CARD_READ_OWN_PAD_LAST_TRY CONFIRMING,
                CARD_READ_SEVERAL CHOOSING_CERTIFICATE, Failed PROBLEM, CANCELLED READING
CHOOSING_CARD:  CardChosen READING, SEVERAL_CARDS CHOOSING_CARD, Failed PROBLEM
CHOOSING_CERTIFICATE: SEVERAL_CARDS CHOOSING_CARD, CARD_READ PASSCODE, CARD_READ_LAST_TRY LAST_TRY, Failed PROBLEM,
                CARD_READ_OWN_PAD SIGNING_IN, CARD_READ_OWN_PAD_LAST_TRY CONFIRMING
PASSCODE:       PasscodeTyped SIGNING_IN, SEVERAL_CARDS CHOOSING_CARD, DISMISSED READING, Failed PROBLEM
LAST_TRY:       PasscodeTyped CONFIRMING, SEVERAL_CARDS CHOOSING_CARD, DISMISSED READING, Failed PROBLEM
CONFIRMING:     CONFIRMED SIGNING_IN, CANCELLED LAST_TRY, Failed PROBLEM
SIGNING_IN:     PasscodeWrong PASSCODE, PasscodeWrongLastTry LAST_TRY,
                ValidatedNoRole SIGNED_IN, ValidatedOneRole SELECTING_ROLE,
                Validated CHOOSING_ROLE, Failed PROBLEM, AnswerLate PROBLEM,
                CANCELLED READING, RESUMED SIGNED_IN
CHOOSING_ROLE:  RoleChosen SELECTING_ROLE, LOG_OUT SIGNED_OUT, Failed PROBLEM
SELECTING_ROLE: ROLE_SELECTED SIGNED_IN, Failed PROBLEM, CANCELLED SIGNED_OUT
SIGNED_IN:      RoleChosen SIGNED_IN, LOG_OUT SIGNED_OUT, Failed PROBLEM, LOCK READING
LOCKED:         CardIn READING, LogOutEnded LOCKED, Failed PROBLEM
SIGNED_OUT:     DISMISSED READING, CardIn READING, LogOutEnded SIGNED_OUT,
                Failed PROBLEM
PROBLEM:        DISMISSED READING, CardIn READING, LogOutEnded PROBLEM
"""
WITH_SESSION = {State.CHOOSING_ROLE, State.SELECTING_ROLE, State.SIGNED_IN}
WITHOUT_CARD = {State.NO_READER, State.WAITING, State.LOCKED}
ENDS = {Action.END_SESSION, Action.READ_CARD, Action.LOCK, Action.LOCK_AND_READ}  # or keeps it, with its ticket
CLEAN = {*ENDS, Action.LEAVE, Action.RESUME}  # all drop everything of the attempt before


def name_of(event: Cue | type) -> str:
    return event.name if isinstance(event, Cue) else event.__name__


def legal_moves() -> dict[tuple[State, Cue | type], State]:
    named = {name_of(event): event for event in EVENTS}
    moves: dict[tuple[State, Cue | type], State] = {}
    for rule in LEGAL.replace(",\n", ",").strip().splitlines():
        state, _, rest = rule.partition(":")
        for move in rest.split(","):
            event, target = move.split()
            moves[State[state], named[event]] = State[target]
    for each in State:
        if each not in WITHOUT_CARD:
            moves[each, CardOut] = State.WAITING
        if each is not State.NO_READER:
            moves[each, ReaderLost] = State.NO_READER
    return moves


MOVES = legal_moves()


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_pair_moves_as_written_or_changes_nothing(state: State, event: Cue | type) -> None:
    move = TABLE.get((state, event))
    assert (move and move[0]) is MOVES.get((state, event))


def test_card_and_reader_gone_end_the_session_in_every_state() -> None:
    for state in State:
        if state not in WITHOUT_CARD:
            assert TABLE[state, CardOut] == (State.WAITING, Action.END_SESSION)
        if state is not State.NO_READER:
            assert TABLE[state, ReaderLost] == (State.NO_READER, Action.END_SESSION)


def reachable(start: State, mode: Mode = Mode.NORMAL) -> set[State]:
    """Return the states that follow; where a session is kept, WAITING is LOCKED."""
    found, new = {start}, {start}
    while new:
        new = {target for (state, _), (target, _) in TABLES[mode].items() if state in new}
        new |= {State.LOCKED} if State.WAITING in new and mode in KEEPING else set()
        new, found = new - found, found | new
    return found


@each_mode
def test_every_state_is_reached_from_the_start(mode: Mode) -> None:
    assert reachable(State.WAITING, mode) == set(State) - (set() if mode in KEEPING else {State.LOCKED})


@each_mode
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_no_state_is_a_dead_end_even_with_the_card_left_in(state: State, mode: Mode) -> None:
    moves = {event for (start, event), (target, _) in TABLES[mode].items() if start is state is not target}
    assert moves - {CardOut, ReaderLost}
    assert State.SIGNED_IN in reachable(state, mode)


@each_mode
def test_no_way_leads_out_of_a_session_without_ending_or_keeping_it(mode: Mode) -> None:
    for (state, event), (target, action) in TABLES[mode].items():
        if state in WITH_SESSION and target not in WITH_SESSION:
            leaves = action is Action.LEAVE and mode in KEEPING and event is ReaderLost and state is not State.SIGNED_IN
            assert action in ENDS or leaves, (state, event)


@each_mode
def test_only_a_session_whose_role_is_chosen_is_kept(mode: Mode) -> None:
    for (state, event), (_, action) in TABLES[mode].items():
        assert action not in (Action.LOCK, Action.LOCK_AND_READ) or state is State.SIGNED_IN, (state, event)


@each_mode
def test_a_session_that_is_opened_too_late_is_ended(mode: Mode) -> None:
    """A sign-in that has failed for the person may still succeed at the broker."""
    for (state, _), (target, action) in TABLES[mode].items():
        if state is State.SIGNING_IN and target is State.PROBLEM:
            assert action is Action.GIVE_UP


@each_mode
def test_a_passcode_is_gone_whenever_it_is_not_being_used(mode: Mode) -> None:
    with_passcode = {State.READING_TYPED, State.CONFIRMING, State.SIGNING_IN}
    for (state, event), (target, action) in TABLES[mode].items():
        validated = isinstance(event, type) and issubclass(event, Validated)  # the card has had it: it is overwritten
        if state in with_passcode and target not in with_passcode and not validated:
            assert action in CLEAN | {Action.GIVE_UP}, (state, event)


@each_mode
def test_only_a_fresh_attempt_reads_a_card(mode: Mode) -> None:
    for (state, event), (target, action) in TABLES[mode].items():
        if target is State.READING:
            assert action in (Action.READ_CARD, Action.LOCK_AND_READ), (state, event)


@each_mode
def test_a_passcode_is_shown_to_the_card_only_while_signing_in(mode: Mode) -> None:
    for (state, event), (target, action) in TABLES[mode].items():
        into = target is State.SIGNING_IN and state is not State.SIGNING_IN
        assert (action is Action.SIGN_IN) == into, (state, event)
