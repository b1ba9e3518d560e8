"""Tickets, the sessions behind them, and the store that keeps both sessions and used challenges.

A ticket has the form that OpenSSO gives it (nhs-facts.md 3.4): 35 bytes in base64, "@", a site in
base64, "#". A client that puts it into a URL without encoding it loses the "#" and is refused.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from .config import Clock, RandomBytes

_TICKET_START = base64.b64decode("AQIC5wM2")
"""With which tickets of OpenSSO begin."""
_TICKET_SIZE = 35
_SITE = "AAJTSQACMDE="
"""The site's tag "SI" and its number "01"."""


def new_ticket(random: RandomBytes) -> str:
    """Make a ticket that nobody can guess."""
    opaque = _TICKET_START + random(_TICKET_SIZE - len(_TICKET_START))
    return f"{base64.b64encode(opaque).decode('ascii')}@{_SITE}#"


def session_key(ticket: str) -> str:
    """What stands for a ticket in stores and logs: nobody can make the ticket from it."""
    return hashlib.sha256(ticket.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Session:
    """One sign-in: whose it is, since when, and the role chosen in it."""

    uid: str
    opened: datetime
    last_used: datetime
    role_id: str | None = None
    mode: str = "0"
    """ssbMode: "0" live, "1" training."""


class Store(Protocol):
    """Where sessions and used challenges are kept. All methods can be called from any thread.

    `key` is the `session_key` of a ticket; tickets themselves are not kept anywhere.
    """

    def claim_challenge(self, challenge: bytes, keep_for: timedelta) -> bool:
        """Return True the first time a challenge is claimed, False while that is remembered."""

    def open(self, key: str, uid: str) -> Session:
        """Begin a session."""

    def use(self, key: str) -> Session | None:
        """Return the session, unless it is over; this counts as activity."""

    def choose_role(self, key: str, role_id: str, mode: str) -> None:
        """Note the role chosen in a session."""

    def close(self, key: str) -> bool:
        """End a session; False when there was none."""


class MemoryStore:
    """A store for one process. What is over is dropped on the way, without a timer."""

    def __init__(self, clock: Clock, max_session: timedelta, idle: timedelta) -> None:
        self._clock = clock
        self._max_session = max_session
        self._idle = idle
        self._lock = threading.Lock()
        # Both are in the order of their making, so that the oldest are at the front.
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._used_until: OrderedDict[bytes, datetime] = OrderedDict()

    def claim_challenge(self, challenge: bytes, keep_for: timedelta) -> bool:
        """See Store."""
        now = self._clock()
        with self._lock:
            while self._used_until and next(iter(self._used_until.values())) < now:
                self._used_until.popitem(last=False)
            if challenge in self._used_until:
                return False
            self._used_until[challenge] = now + keep_for
            return True

    def open(self, key: str, uid: str) -> Session:
        """See Store."""
        now = self._clock()
        with self._lock:
            while self._sessions and self._is_over(next(iter(self._sessions.values())), now):
                self._sessions.popitem(last=False)
            self._sessions[key] = session = Session(uid=uid, opened=now, last_used=now)
            return session

    def use(self, key: str) -> Session | None:
        """See Store."""
        now = self._clock()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                return None
            if self._is_over(session, now):
                del self._sessions[key]
                return None
            self._sessions[key] = session = replace(session, last_used=now)
            return session

    def choose_role(self, key: str, role_id: str, mode: str) -> None:
        """See Store."""
        with self._lock:
            if key in self._sessions:
                chosen = replace(self._sessions[key], role_id=role_id, mode=mode)
                self._sessions[key] = chosen

    def close(self, key: str) -> bool:
        """See Store."""
        with self._lock:
            return self._sessions.pop(key, None) is not None

    def __len__(self) -> int:
        """How many sessions and used challenges are kept."""
        with self._lock:
            return len(self._sessions) + len(self._used_until)

    def _is_over(self, session: Session, now: datetime) -> bool:
        too_old = now - session.opened >= self._max_session
        return too_old or now - session.last_used >= self._idle
