"""Tickets and the store behind them: limits, one use, nothing left over."""

from __future__ import annotations

import base64
import gc
import secrets
import sqlite3
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from support.spine import Desk, SettableClock

from spine_stub import Config, create_app
from spine_stub.errors import BrokerError, DataError, Unavailable
from spine_stub.login.broker import Login
from spine_stub.sessions import Limits, Session, session_key
from spine_stub.sessions.sqlite import SqliteStore
from spine_stub.sessions.tickets import new_ticket
from spine_stub.stub import Stub

HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, clock: SettableClock, tmp_path: Path) -> Iterator[SqliteStore]:
    """Each of the stores whose clock a test can set; redis has its own and its own tests."""
    limits = Limits(10 * HOUR, HOUR)
    path = tmp_path / "sessions.sqlite"
    in_memory = request.param == "memory"
    store = SqliteStore.in_memory(limits, clock) if in_memory else SqliteStore.in_file(path, limits, clock)
    yield store
    store.release()


def begin(store: SqliteStore, key: str = "key") -> Session:
    """Begin a session with a challenge of its own."""
    session = store.open(key, "555", key.encode(), HOUR)
    assert session
    return session


def test_a_ticket_has_the_form_of_real_ones() -> None:
    """docs/protocol.md 4: 35 opaque bytes, "@", the site, "#"."""
    ticket = new_ticket(secrets.token_bytes)
    opaque, _, site = ticket.partition("@")
    assert ticket.startswith("AQIC5w")
    assert ticket.endswith("=@AAJTSQACMDE=#")
    assert len(base64.b64decode(opaque)) == 35
    assert base64.b64decode(site.rstrip("#")) == b"\0\2SI\0\x0201"


def test_a_session_lives_while_it_is_used(store: SqliteStore, clock: SettableClock) -> None:
    begin(store)
    for _ in range(5):
        clock.advance(minutes=59)
        assert store.use("key")


def test_a_session_ends_when_it_is_not_used(store: SqliteStore, clock: SettableClock) -> None:
    begin(store)
    clock.advance(minutes=60)
    assert store.use("key") is None


def test_a_session_ends_at_its_limit_however_busy(store: SqliteStore, clock: SettableClock) -> None:
    begin(store)
    for _ in range(19):
        clock.advance(minutes=30)
        assert store.use("key")
    clock.advance(minutes=30)
    assert store.use("key") is None


def test_an_ended_session_stays_ended(store: SqliteStore) -> None:
    begin(store)
    assert store.close("key")
    assert not store.close("key")
    store.choose_role("key", "1", "0")
    assert store.use("key") is None


def test_a_session_from_the_future_is_over(store: SqliteStore, clock: SettableClock) -> None:
    """The clock went back: nobody knows how old it is. Brokers that share a store need not agree to the second."""
    begin(store)
    clock.advance(seconds=-5)
    assert store.sessions().get("key")
    clock.advance(seconds=-1)
    assert (store.use("key"), store.sessions().get("key"), dict(store.sessions())) == (None, None, {})


class PcClock:
    """The two clocks of a PC: one goes on evenly, and the other is what somebody sets."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.day, self.since_boot = time.time(), 1000.0
        patch.setattr(time, "time", lambda: self.day)
        patch.setattr(time, "clock_gettime", lambda clock: self.since_boot)

    def go_on(self, seconds: float) -> None:
        self.day += seconds
        self.since_boot += seconds


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("set_by", [-7200.0, -60.0, 0.0, 7200.0])
def test_setting_the_pcs_clock_neither_lengthens_nor_ends_a_session(
    data: Path, monkeypatch: pytest.MonkeyPatch, kind: str, set_by: float
) -> None:
    pc = PcClock(monkeypatch)
    broker = Stub.of(create_app(Config(data, store=kind, max_session=HOUR))).broker
    desk = Desk(broker, SettableClock(), data)
    ticket, late = broker.validate(desk.answer()).ticket, desk.answer()
    pc.go_on(240)
    pc.day += set_by
    assert broker.session(ticket)
    pc.go_on(61)
    assert desk.refusal(late) == "challenge-expired"
    pc.go_on(3299)
    with pytest.raises(BrokerError, match="ticket-not-valid"):
        broker.session(ticket)
    broker.release()


def test_what_is_over_is_dropped_without_a_timer(store: SqliteStore, clock: SettableClock) -> None:
    for number in range(100):
        begin(store, str(number))
    assert len(store) == 200
    clock.advance(hours=11)
    for number in range(1024):  # the file is not swept each time
        begin(store, f"new {number}")
    assert len(store) == 2048


def test_of_many_threads_one_may_use_a_challenge(store: SqliteStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda number: store.open(str(number), "555", b"challenge", HOUR), range(200)))
    begun = {str(number): session for number, session in enumerate(opened) if session}
    assert len(begun) == 1
    assert store.sessions() == begun


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


def test_asking_for_a_session_is_no_use_of_it(store: SqliteStore, clock: SettableClock) -> None:
    opened = begin(store)
    clock.advance(minutes=59)
    assert store.sessions().get("key") == opened
    assert store.sessions() == {"key": opened}
    clock.advance(minutes=1)
    assert (store.sessions().get("key"), dict(store.sessions())) == (None, {})


def test_choosing_a_role_is_use_of_the_session(store: SqliteStore, clock: SettableClock) -> None:
    begin(store)
    clock.advance(minutes=59)
    store.choose_role("key", "1", "0")
    clock.advance(minutes=59)
    assert store.sessions().get("key")


def test_sessions_are_listed_newest_first(store: SqliteStore, clock: SettableClock) -> None:
    for key in ("first", "second", "third"):
        begin(store, key)
        clock.advance(seconds=1)
    assert list(store.sessions()) == ["third", "second", "first"]


def test_a_file_is_shared_and_private(clock: SettableClock, tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    first, second = (SqliteStore.in_file(path, Limits(HOUR, HOUR), clock) for _ in range(2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    session = begin(first)
    assert second.use("key") == session
    assert second.open("other key", "555", b"key", HOUR) is None
    assert second.close("key")
    assert first.use("key") is None
    first.release()
    with pytest.raises(Unavailable, match="store-unavailable"):
        first.sessions().get("key")
    second.release()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_link_is_not_followed(clock: SettableClock, tmp_path: Path, suffix: str) -> None:
    """Somebody else's file would be written over."""
    victim, path = tmp_path / "victim", tmp_path / "sessions.sqlite"
    victim.write_text("")
    path.with_name(path.name + suffix).symlink_to(victim)
    with pytest.raises(DataError, match="is a symbolic link"):
        SqliteStore.in_file(path, Limits(HOUR, HOUR), clock)
    assert victim.read_text() == ""


def test_sessions_outlive_the_process(clock: SettableClock, tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite"
    store = SqliteStore.in_file(path, Limits(HOUR, HOUR), clock)
    begin(store)
    store.choose_role("key", "1", "1")
    store.release()
    again = SqliteStore.in_file(path, Limits(HOUR, HOUR), clock)
    session = again.sessions().get("key")
    again.release()
    assert session
    assert (session.role_id, session.mode) == ("1", "1")


def test_a_file_that_is_no_database_is_said(clock: SettableClock, tmp_path: Path) -> None:
    (tmp_path / "sessions.sqlite").write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(DataError, match="cannot be used for sessions"):
        SqliteStore.in_file(tmp_path / "sessions.sqlite", Limits(HOUR, HOUR), clock)


def test_a_store_that_is_dropped_closes_its_database(clock: SettableClock) -> None:
    """Python 3.13 warns of a database that is freed open."""
    store = SqliteStore.in_memory(Limits(HOUR, HOUR), clock)
    database = store._connection
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")
