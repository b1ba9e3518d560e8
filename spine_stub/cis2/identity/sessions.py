"""Who is signed in to the provider: its own sessions, which a cookie in the browser names.

A session outlives the sign-in to one application, so that the next one asks nobody. It ends when the card is out, by
log-out, at its time, or when a test says so; whoever has to tell applications of that is in `on_end`.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

COOKIE = "cis2_session"
_MOST = 5000


@dataclass(frozen=True)
class Authentication:
    """How and when somebody proved who they are."""

    uid: str
    time: datetime
    mechanism: str
    """N3_SMARTCARD, FIDO2, IOS, WINDOWS_HELLO, TOTP, NHSMAIL or USERPASS."""
    aal: int
    """Authentication assurance level, 3 to 1."""
    ial: int = 3
    """Identity assurance level."""

    @property
    def acr(self) -> str:
        """The authentication context class, such as AAL3_N3_SMARTCARD."""
        return f"AAL{self.aal}_{self.mechanism}"

    @property
    def amr(self) -> list[str]:
        return [self.mechanism]


@dataclass
class Session:
    """One sign-in to the provider, for any number of applications."""

    sid: str
    """Its name, which applications are told."""
    authentication: Authentication
    opened: datetime
    ticket_key: str = ""
    """The key of the broker's session that it rests on; nothing when it rests on none."""
    cookie: str = field(default="", repr=False)
    """What the browser has; no application is told."""
    clients: dict[str, str] = field(default_factory=dict)
    """The clients that got tokens in it, each with the id of its last sign-in."""
    issuers: dict[str, str] = field(default_factory=dict)
    """The issuer of each client's tokens, as text: it is where the client reached us."""
    roles: dict[str, str] = field(default_factory=dict)
    """The id of the role that was chosen for each client."""
    agent_role: str = ""
    """The id of the role in the agent's window when it was last asked for."""

    @property
    def uid(self) -> str:
        return self.authentication.uid


Listener = Callable[[Session, str], None]
"""Is told of a session that has ended, and why: card_out, logged_out, expired, control or application."""


class Sessions:
    """The sessions that are open. All methods can be called from any thread."""

    def __init__(self, clock: Callable[[], datetime], lifetime: timedelta) -> None:
        self._clock, self._lifetime = clock, lifetime
        self._sessions: dict[str, Session] = {}
        self._cookies: dict[str, str] = {}
        """The sid of each session by its cookie."""
        self._lock = threading.Lock()
        self.on_open: list[Callable[[Session], None]] = []
        self.on_end: list[Listener] = []

    def open(self, authentication: Authentication, ticket_key: str = "") -> Session:
        """Begin a session."""
        session = Session(
            secrets.token_urlsafe(24), authentication, self._clock(), ticket_key, secrets.token_urlsafe(32)
        )
        with self._lock:
            self._sessions[session.sid] = session
            self._cookies[session.cookie] = session.sid
            oldest = next(iter(self._sessions)) if len(self._sessions) > _MOST else ""
        self.end(oldest, "expired")
        for tell in self.on_open:
            tell(session)
        return session

    def of_cookie(self, value: str | None) -> Session | None:
        """The session whose cookie a browser sent, unless it is over."""
        with self._lock:
            sid = self._cookies.get(value or "", "")
        return self.get(sid)

    def get(self, sid: str) -> Session | None:
        """The session of this name, unless it is over."""
        with self._lock:
            session = self._sessions.get(sid)
        if session and self._clock() >= self.end_of(session):
            self.end(sid, "expired")
            return None
        return session

    def end_of(self, session: Session) -> datetime:
        """When a session ends by itself."""
        return session.opened + self._lifetime

    def all(self) -> list[Session]:
        """Every session that is not ended, the oldest first."""
        with self._lock:
            return list(self._sessions.values())

    def end(self, sid: str, reason: str) -> bool:
        """End a session and tell the listeners; False when there was none."""
        with self._lock:
            session = self._sessions.pop(sid, None)
            if session is None:
                return False
            del self._cookies[session.cookie]
        for tell in self.on_end:
            tell(session, reason)
        return True

    def clear(self) -> None:
        """Forget all of them, and tell nobody."""
        with self._lock:
            self._sessions.clear()
            self._cookies.clear()
