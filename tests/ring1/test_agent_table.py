"""The login table: every pair of state and event, and what must hold of it as a whole."""

from __future__ import annotations

import pytest

from agent import TABLE, Action, Event, State, transition

# Where each event leads from each state. Every pair that is not here must change nothing.
LEGAL = """
NO_READER:      READER_READY WAITING, CARD_IN READING
WAITING:        CARD_IN READING
READING:        CARD_READ PASSCODE, CARD_READ_LAST_TRY LAST_TRY, PASSCODE_TYPED READING_TYPED,
                FAILED PROBLEM
READING_TYPED:  CARD_READ SIGNING_IN, CARD_READ_LAST_TRY CONFIRMING, FAILED PROBLEM,
                CANCELLED READING
PASSCODE:       PASSCODE_TYPED SIGNING_IN
LAST_TRY:       PASSCODE_TYPED CONFIRMING
CONFIRMING:     CONFIRMED SIGNING_IN, CANCELLED LAST_TRY
SIGNING_IN:     WRONG_PASSCODE PASSCODE, WRONG_PASSCODE_LAST_TRY LAST_TRY,
                VALIDATED_NO_ROLE SIGNED_IN, VALIDATED_ONE_ROLE SELECTING_ROLE,
                VALIDATED_ROLES CHOOSING_ROLE, FAILED PROBLEM, CANCELLED READING
CHOOSING_ROLE:  ROLE_CHOSEN SELECTING_ROLE, LOG_OUT SIGNED_OUT, TIME_UP PROBLEM
SELECTING_ROLE: ROLE_SELECTED SIGNED_IN, FAILED PROBLEM, CANCELLED SIGNED_OUT, TIME_UP PROBLEM
SIGNED_IN:      LOG_OUT SIGNED_OUT, TIME_UP PROBLEM
SIGNED_OUT:     DISMISSED READING
PROBLEM:        DISMISSED READING
"""
WITH_SESSION = {State.CHOOSING_ROLE, State.SELECTING_ROLE, State.SIGNED_IN}
WITHOUT_CARD = {State.NO_READER, State.WAITING}
CLEAN = {Action.END_SESSION, Action.READ_CARD}  # both drop everything of the person before


def legal_moves() -> dict[tuple[State, Event], State]:
    moves = {}
    for rule in LEGAL.replace(",\n", ",").strip().splitlines():
        state, _, rest = rule.partition(":")
        for move in rest.split(","):
            event, target = move.split()
            moves[State[state], Event[event]] = State[target]
    for each in State:
        if each not in WITHOUT_CARD:
            moves[each, Event.CARD_OUT] = State.WAITING
        if each is not State.NO_READER:
            moves[each, Event.READER_LOST] = State.NO_READER
    return moves


MOVES = legal_moves()


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_pair_moves_as_written_or_changes_nothing(state: State, event: Event) -> None:
    target, action = transition(state, event)
    assert target is MOVES.get((state, event), state)
    if (state, event) not in MOVES:
        assert action is Action.NOTHING
        assert (state, event) not in TABLE


def test_card_and_reader_gone_end_the_session_in_every_state() -> None:
    for state in State:
        if state not in WITHOUT_CARD:
            assert TABLE[state, Event.CARD_OUT] == (State.WAITING, Action.END_SESSION)
        if state is not State.NO_READER:
            assert TABLE[state, Event.READER_LOST] == (State.NO_READER, Action.END_SESSION)


def reachable(start: State) -> set[State]:
    found, new = {start}, {start}
    while new:
        new = {target for (state, _), (target, _) in TABLE.items() if state in new} - found
        found |= new
    return found


def test_every_state_is_reached_from_the_start() -> None:
    assert reachable(State.WAITING) == set(State)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_no_state_is_a_dead_end_even_with_the_card_left_in(state: State) -> None:
    moves = {event for (start, event), (target, _) in TABLE.items() if start is state is not target}
    assert moves - {Event.CARD_OUT, Event.READER_LOST}
    assert State.SIGNED_IN in reachable(state)


def test_no_way_leads_out_of_a_session_without_ending_it() -> None:
    for (state, _), (target, action) in TABLE.items():
        if state in WITH_SESSION and target not in WITH_SESSION:
            assert action is Action.END_SESSION


def test_a_passcode_is_gone_whenever_it_is_not_being_used() -> None:
    with_passcode = {State.READING_TYPED, State.CONFIRMING, State.SIGNING_IN}
    for (state, event), (target, action) in TABLE.items():
        validated = event.name.startswith("VALIDATED")  # the card has had it: it is overwritten
        if state in with_passcode and target not in with_passcode and not validated:
            assert action in CLEAN | {Action.FORGET_PASSCODE}, (state, event)


def test_only_a_fresh_attempt_reads_a_card() -> None:
    for (state, _), (target, action) in TABLE.items():
        if target is State.READING and state is not State.READING:
            assert action is Action.READ_CARD


def test_a_passcode_is_shown_to_the_card_only_while_signing_in() -> None:
    for (state, event), (target, action) in TABLE.items():
        assert (action is Action.SIGN_IN) == (target is State.SIGNING_IN and state is not State.SIGNING_IN), (
            state,
            event,
        )
