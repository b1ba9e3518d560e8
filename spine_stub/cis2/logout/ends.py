"""When a session of CIS2 ends: with the card's session at the broker, or when its time is up."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from ...sessions.endings import Ending, Listener, Repeated
from ..identity.sessions import Session

if TYPE_CHECKING:
    from ..provider import Provider

_REASONS = {Ending.LOGGED_OUT: "card_out", Ending.ENDED: "control", Ending.EXPIRED: "expired"}


class Ends:
    """Ends the sessions of one provider. All methods can be called from any thread."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._expiring = Repeated(self._expire, "CIS2 session ends")
        self._watched: dict[str, tuple[str, Listener]] = {}
        """By sid: the key of the card's session at the broker, and who is told of its end."""

    def watch(self, session: Session) -> None:
        """See to it that a session ends when it has to."""
        if session.ticket_key:
            listener = partial(self._over, session.sid)
            self._watched[session.sid] = session.ticket_key, listener
            self._provider.broker.endings.watch(session.ticket_key, listener)
        self._expiring.start()

    def forget(self, sid: str) -> None:
        """Watch the card's session no more: this one has ended otherwise."""
        watched = self._watched.pop(sid, None)
        if watched:
            self._provider.broker.endings.forget(*watched)

    def clear(self) -> None:
        """Watch no card's session any more."""
        for sid in list(self._watched):
            self.forget(sid)

    def expire(self) -> None:
        """End the sessions whose time is up, as when the clock was set."""
        for session in self._provider.sessions.all():
            self._provider.sessions.get(session.sid)

    def release(self) -> None:
        """Look no more."""
        self._expiring.stop()

    def _over(self, sid: str, how: Ending) -> None:
        self._provider.sessions.end(sid, _REASONS[how])

    def _expire(self) -> timedelta | None:
        """End those whose time is up; returns how long the others last at least."""
        self.expire()
        sessions = self._provider.sessions
        ends = [sessions.end_of(session) for session in sessions.all()]
        return min(ends) - self._provider.clock() if ends else None
