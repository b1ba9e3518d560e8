"""Who is using the application: a random name in the visitor's cookie, and the ticket here, in memory only."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

_MOST = 1000
"""One visit more, and the oldest is forgotten: no visitor can fill the memory."""
_NAME_BYTES = 32


@dataclass
class Visits:
    """Tickets by the name of their visit. Any thread may call."""

    _tickets: dict[str, str] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, ticket: str) -> str:
        """Return the name of a new visit."""
        name = secrets.token_urlsafe(_NAME_BYTES)
        with self._lock:
            while len(self._tickets) >= _MOST:
                del self._tickets[next(iter(self._tickets))]
            self._tickets[name] = ticket
        return name

    def ticket(self, name: str) -> str | None:
        """Return the ticket of a visit, if there is one of this name."""
        with self._lock:
            return self._tickets.get(name)

    def end(self, name: str) -> None:
        """Forget a visit; one that is not there is no error."""
        with self._lock:
            self._tickets.pop(name, None)

    def __len__(self) -> int:
        return len(self._tickets)
