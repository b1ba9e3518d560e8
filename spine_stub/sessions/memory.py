"""A store in this process's memory: for tests, and for a broker that shall forget everything."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ..config import Clock
from . import Limits, Session


class MemoryStore:
    """A store for one process. What is over is dropped on the way, without a timer."""

    def __init__(self, clock: Clock, max_session: timedelta, idle: timedelta) -> None:
        self.limits = Limits(max_session, idle)
        self._clock = clock
        self._lock = threading.Lock()
        # Both are in the order of their making, so that the oldest are at the front.
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._used_until: OrderedDict[bytes, datetime] = OrderedDict()

    def open(self, key: str, uid: str, challenge: bytes, keep_for: timedelta) -> Session | None:
        """See Store."""
        now = self._clock()
        with self._lock:
            self._drop_what_is_over(now)
            if challenge in self._used_until:
                return None
            self._used_until[challenge] = now + keep_for
            self._sessions[key] = session = Session(uid=uid, opened=now, last_used=now)
            return session

    def use(self, key: str) -> Session | None:
        """See Store."""
        now = self._clock()
        with self._lock:
            session = self._live(key, now)
            if session:
                self._sessions[key] = session = replace(session, last_used=now)
            return session

    def look(self, key: str) -> Session | None:
        """See Store."""
        with self._lock:
            return self._live(key, self._clock())

    def choose_role(self, key: str, role_id: str, mode: str) -> None:
        """See Store."""
        now = self._clock()
        with self._lock:
            session = self._live(key, now)
            if session:
                self._sessions[key] = replace(session, role_id=role_id, mode=mode, last_used=now)

    def close(self, key: str) -> bool:
        """See Store."""
        with self._lock:
            return self._sessions.pop(key, None) is not None

    def sessions(self) -> Mapping[str, Session]:
        """See Store."""
        now = self._clock()
        with self._lock:
            kept = self._sessions.items()
            return {key: session for key, session in reversed(kept) if not self.limits.is_over(session, now)}

    def release(self) -> None:
        """See Store: there is nothing to let go of."""

    def __len__(self) -> int:
        """How many sessions and used challenges are kept."""
        with self._lock:
            return len(self._sessions) + len(self._used_until)

    def _drop_what_is_over(self, now: datetime) -> None:
        while self._used_until and next(iter(self._used_until.values())) < now:
            self._used_until.popitem(last=False)
        while self._sessions and self.limits.is_over(next(iter(self._sessions.values())), now):
            self._sessions.popitem(last=False)

    def _live(self, key: str, now: datetime) -> Session | None:
        session = self._sessions.get(key)
        if session and self.limits.is_over(session, now):
            del self._sessions[key]
            return None
        return session
