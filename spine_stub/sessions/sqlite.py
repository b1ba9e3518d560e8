"""The usual store: SQLite, in one file in DIR that all broker processes of a machine share, or in memory.

Write-ahead logging lets processes read while one writes. Nothing is synced to the disk: sessions
need not survive a power cut, and they do survive the end of a process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..config import CLOCK_SKEW, Clock
from ..errors import DataError, Unavailable
from ..folder import check_plain_file, locked
from . import Limits, Session

_BUSY_SECONDS = 5.0
"""How long one process waits for another's write."""
_SWEEP_EVERY = 1024
"""After so many new sessions, sessions and challenges that are over are deleted: all are looked at for that."""
_NOTED_EVERY = 1.0
"""Seconds after which a use of a session is written down again: its idle limit is in minutes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    key TEXT PRIMARY KEY, uid TEXT NOT NULL, opened REAL NOT NULL, last_used REAL NOT NULL,
    role_id TEXT, mode TEXT NOT NULL DEFAULT '0'
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used_challenge (challenge BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
"""
# Times in seconds. A session from the future has ended too: its age is not known.
_LIVE = "opened > :now - :absolute AND last_used > :now - :idle AND last_used <= :now + :skew"
_COLUMNS = "uid, opened, last_used, role_id, mode"


class SqliteStore:
    """A store behind one connection and one lock: SQLite has one writer at a time anyway."""

    def __init__(self, database: Path | str, limits: Limits, clock: Clock) -> None:
        """Open a database, or make it; raises DataError."""
        self.limits = limits
        lengths = {"absolute": limits.absolute, "idle": limits.idle, "skew": CLOCK_SKEW}
        self._seconds = {name: length.total_seconds() for name, length in lengths.items()}
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = 0
        try:
            self._connection = sqlite3.connect(
                database, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise DataError(f"{database} cannot be used for sessions: {exc}") from exc
        weakref.finalize(self, self._connection.close)  # with the store; Python 3.13 warns of what is freed open
        try:
            self._connection.execute("PRAGMA synchronous=OFF")  # first: to turn to write-ahead logging is a write, too
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as exc:
            self._connection.close()
            raise DataError(f"{database} cannot be used for sessions: {exc}") from exc

    @classmethod
    def in_file(cls, path: Path, limits: Limits, clock: Clock) -> SqliteStore:
        """A store that outlives the process, readable by its owner only; raises DataError."""
        for suffix in ("", "-wal", "-shm"):  # SQLite's own files beside it
            check_plain_file(path.with_name(path.name + suffix))
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
            with locked(path.parent):  # SQLite waits for nobody when it turns to write-ahead logging
                return cls(path, limits, clock)
        except OSError as exc:
            raise DataError(f"{path} cannot be used for sessions: {exc}") from exc

    @classmethod
    def in_memory(cls, limits: Limits, clock: Clock) -> SqliteStore:
        """A store that forgets everything with the process."""
        return cls(":memory:", limits, clock)

    def open(self, key: str, uid: str, challenge: bytes, keep_for: timedelta) -> Session | None:
        now = self._now()
        with self._locked() as connection:
            self._opened += 1
            if self._opened % _SWEEP_EVERY == 0:
                self._sweep(connection, now)
            # Two transactions: a process that ends between them has used up a challenge, and given no ticket for it.
            claim = (challenge, now + keep_for.total_seconds())
            if not connection.execute("INSERT OR IGNORE INTO used_challenge VALUES (?, ?)", claim).rowcount:
                return None
            connection.execute(
                "INSERT INTO session (key, uid, opened, last_used) VALUES (?, ?, ?, ?)", (key, uid, now, now)
            )
        return _session((uid, now, now, None, "0"))

    def use(self, key: str) -> Session | None:
        now = self._now()
        query = f"SELECT {_COLUMNS} FROM session WHERE key = :key AND {_LIVE}"  # noqa: S608
        with self._locked() as connection:
            row = connection.execute(query, {"key": key, **self._limits(now)}).fetchone()
            session = _session(row) if row else None
            if session and now - session.last_used.timestamp() >= _NOTED_EVERY:
                connection.execute("UPDATE session SET last_used = ? WHERE key = ?", (now, key))
        return session

    def choose_role(self, key: str, role_id: str, mode: str) -> None:
        chosen = {"key": key, "role_id": role_id, "mode": mode, **self._limits(self._now())}
        change = f"UPDATE session SET role_id = :role_id, mode = :mode, last_used = :now WHERE key = :key AND {_LIVE}"  # noqa: S608
        with self._locked() as connection:
            connection.execute(change, chosen)

    def close(self, key: str) -> bool:
        with self._locked() as connection:
            return connection.execute("DELETE FROM session WHERE key = ?", (key,)).rowcount == 1

    def sessions(self) -> Mapping[str, Session]:
        query = f"SELECT key, {_COLUMNS} FROM session WHERE {_LIVE} ORDER BY opened DESC"  # noqa: S608
        with self._locked() as connection:
            rows = connection.execute(query, self._limits(self._now())).fetchall()
        return {row[0]: _session(row[1:]) for row in rows}

    def release(self) -> None:
        with self._lock:
            self._connection.close()

    def __len__(self) -> int:
        query = "SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM used_challenge)"
        with self._locked() as connection:
            return int(connection.execute(query).fetchone()[0])

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute("DELETE FROM used_challenge WHERE until < ?", (now,))
        connection.execute(f"DELETE FROM session WHERE NOT ({_LIVE})", self._limits(now))  # noqa: S608

    def _limits(self, now: float) -> dict[str, float]:
        return {"now": now, **self._seconds}

    def _now(self) -> float:
        return self._clock().timestamp()

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as exc:
                raise Unavailable("store-unavailable", str(exc)) from exc


def _session(row: tuple[str, float, float, str | None, str]) -> Session:
    uid, opened, last_used, role_id, mode = row
    return Session(uid, datetime.fromtimestamp(opened, UTC), datetime.fromtimestamp(last_used, UTC), role_id, mode)
