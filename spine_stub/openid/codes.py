"""Authorization codes: each is for one client, one redirect and one PKCE challenge, once, within 30 seconds."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LIFETIME = timedelta(seconds=30)
_MOST = 1000


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    client_id: str
    redirect_uri: str
    challenge: str
    """Of PKCE, S256 (RFC 7636)."""
    ticket: str = field(repr=False)
    state: str = ""
    nonce: str = ""
    device_id: str = ""


class Codes:
    """Codes that were given and not used; in memory, so that they are known to this process only."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._grants: dict[str, tuple[datetime, Grant]] = {}
        self._lock = threading.Lock()

    def give(self, grant: Grant) -> str:
        """Return a new code."""
        code = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._grants) >= _MOST:
                del self._grants[next(iter(self._grants))]
            self._grants[code] = (self._clock() + LIFETIME, grant)
        return code

    def take(self, code: str) -> Grant | None:
        """Return what a code stands for and use it up; None when it is not known, used already, or too old."""
        with self._lock:
            ends, grant = self._grants.pop(code, (None, None))
        return grant if ends and self._clock() < ends else None
