"""The sessions behind tickets, and what a store of sessions and used challenges can do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


def session_key(ticket: str) -> str:
    """What stands for a ticket in stores and logs: nobody can make the ticket from it."""
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Session:
    """One sign-in: whose it is, since when, and the role chosen in it. Times are the store's."""

    uid: str
    opened: datetime
    last_used: datetime
    role_id: str | None = None
    mode: str = "0"
    """ssbMode: "0" live, "1" training."""


@dataclass(frozen=True)
class Limits:
    """How long a session lasts: at most, and unused (docs/protocol.md 4)."""

    absolute: timedelta
    idle: timedelta

    def end(self, session: Session) -> datetime:
        """When a session ends if nobody uses it again."""
        return min(session.opened + self.absolute, session.last_used + self.idle)


class Store(Protocol):
    """Where sessions and used challenges are kept. All methods can be called from any thread.

    `key` is the `session_key` of a ticket; tickets themselves are not kept anywhere. What is over
    is over by the store's own clock. Raises Unavailable when the store cannot be reached.
    """

    @property
    def limits(self) -> Limits:
        """How long sessions last."""

    def open(self, key: str, uid: str, challenge: bytes, keep_for: timedelta) -> Session | None:
        """Begin a session, unless its challenge has begun one already, as is remembered for a while."""

    def use(self, key: str) -> Session | None:
        """Return the session, unless it is over; this counts as activity."""

    def choose_role(self, key: str, role_id: str, mode: str) -> None:
        """Note the role chosen in a session, unless it is over; this counts as activity."""

    def close(self, key: str) -> bool:
        """End a session; False when there was none."""

    def sessions(self) -> Mapping[str, Session]:
        """Return the sessions that are not over, by key, the newest first."""

    def release(self) -> None:
        """Let go of files and connections: nothing else is asked of the store after this."""
