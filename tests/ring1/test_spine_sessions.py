"""Tickets and the store behind them: limits, one use, nothing left over."""

from __future__ import annotations

import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from support.spine import Desk, SettableClock

from spine_stub.broker import Login
from spine_stub.errors import BrokerError
from spine_stub.memory_store import MemoryStore
from spine_stub.sessions import new_ticket, session_key

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def store(clock: SettableClock) -> MemoryStore:
    return MemoryStore(clock, max_session=10 * HOUR, idle=HOUR)


def test_a_ticket_has_the_form_of_real_ones() -> None:
    """nhs-facts.md 3.4: 35 opaque bytes, "@", the site, "#"."""
    ticket = new_ticket(secrets.token_bytes)
    opaque, _, site = ticket.partition("@")
    assert ticket.startswith("AQIC5w")
    assert ticket.endswith("=@AAJTSQACMDE=#")
    assert len(base64.b64decode(opaque)) == 35
    assert base64.b64decode(site.rstrip("#")) == b"\0\2SI\0\x0201"


def test_a_session_lives_while_it_is_used(store: MemoryStore, clock: SettableClock) -> None:
    store.open("key", "555")
    for _ in range(5):
        clock.advance(minutes=59)
        assert store.use("key")


def test_a_session_ends_when_it_is_not_used(store: MemoryStore, clock: SettableClock) -> None:
    store.open("key", "555")
    clock.advance(minutes=60)
    assert store.use("key") is None


def test_a_session_ends_at_its_limit_however_busy(store: MemoryStore, clock: SettableClock) -> None:
    store.open("key", "555")
    for _ in range(19):
        clock.advance(minutes=30)
        assert store.use("key")
    clock.advance(minutes=30)
    assert store.use("key") is None


def test_an_ended_session_stays_ended(store: MemoryStore) -> None:
    store.open("key", "555")
    assert store.close("key")
    assert not store.close("key")
    store.choose_role("key", "1", "0")
    assert store.use("key") is None


def test_what_is_over_is_dropped_without_a_timer(store: MemoryStore, clock: SettableClock) -> None:
    for number in range(100):
        store.open(str(number), "555")
        store.claim_challenge(number.to_bytes(2, "big"), HOUR)
    assert len(store) == 200
    clock.advance(hours=11)
    store.open("new", "555")
    store.claim_challenge(b"new", HOUR)
    assert len(store) == 2


def test_of_many_threads_one_may_use_a_challenge(store: MemoryStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: store.claim_challenge(b"challenge", HOUR), range(200)))
    assert claims.count(True) == 1


def test_a_used_challenge_is_remembered_as_long_as_it_could_be_answered(desk: Desk) -> None:
    answer = desk.answer()
    desk.broker.validate(answer)
    desk.clock.advance(minutes=5)
    assert desk.refusal(answer) == "challenge-already-used"
    desk.clock.advance(seconds=1)
    assert desk.refusal(answer) == "challenge-expired"


def test_the_ticket_is_in_no_representation(desk: Desk) -> None:
    login: Login = desk.broker.validate(desk.answer())
    assert login.ticket not in repr(login)
    assert login.ticket not in repr(desk.broker.session(login.ticket))
    assert session_key(login.ticket) != login.ticket


@pytest.mark.parametrize(
    ("role", "mode", "reason"),
    [("555100000201", "2", "ssb-mode-unknown"), ("555100000101", "0", "role-not-held"), ("", "0", "role-not-held")],
)
def test_only_roles_that_are_held_can_be_chosen(desk: Desk, role: str, mode: str, reason: str) -> None:
    ticket = desk.broker.validate(desk.answer()).ticket
    with pytest.raises(BrokerError) as caught:
        desk.broker.select_role(ticket, role, mode)
    assert caught.value.reason == reason


def test_a_role_can_be_chosen_again(desk: Desk) -> None:
    ticket = desk.broker.validate(desk.answer(desk.card("three-roles"))).ticket
    for role, mode in (("555100000101", "0"), ("555100000103", "1")):
        desk.broker.select_role(ticket, role, mode)
        session, _ = desk.broker.session(ticket)
        assert (session.role_id, session.mode) == (role, mode)
