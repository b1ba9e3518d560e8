"""What waits: authorization requests for a person at a page, and sign-ins that a test has arranged for a request."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .tokens.codes import AuthorizationRequest

_MOST = 1000


@dataclass(frozen=True)
class Pending:
    """An authorization request whose page is not answered yet."""

    request: AuthorizationRequest
    sid: str = ""
    """The one session that may answer; nothing where whoever answers gets a session by that."""


class PendingRequests:
    """The requests that have a page, by a key that nobody can guess. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}
        self._lock = threading.Lock()

    def put(self, key: str, pending: Pending) -> None:
        """Keep a request; the oldest of too many is forgotten."""
        with self._lock:
            while len(self._pending) >= _MOST:
                del self._pending[next(iter(self._pending))]
            self._pending[key] = pending

    def get(self, key: str) -> Pending | None:
        """The request of a page, as long as that is not answered."""
        with self._lock:
            return self._pending.get(key)

    def take(self, key: str) -> Pending | None:
        """Return a request that is answered now; None when it was answered already, or is not known."""
        with self._lock:
            return self._pending.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()


@dataclass(frozen=True)
class Arranged:
    """A sign-in that a test has arranged: who is signed in without being asked, and how."""

    uid: str
    role_id: str = ""
    mechanism: str = "N3_SMARTCARD"
    aal: int = 3
    client_id: str = ""
    """For whose request; nothing for anybody's."""
    is_standing: bool = False
    """For every request and not only the next one."""


class ArrangedSignIns:
    """The sign-ins that are arranged; of two that fit, the first acts. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._arranged: list[Arranged] = []
        self._lock = threading.Lock()

    def add(self, arranged: Arranged) -> None:
        with self._lock:
            self._arranged.append(arranged)

    def all(self) -> list[Arranged]:
        with self._lock:
            return list(self._arranged)

    def take(self, client_id: str) -> Arranged | None:
        """The sign-in that is arranged for this client's request; a single one is used up by that."""
        with self._lock:
            found = next((each for each in self._arranged if each.client_id in ("", client_id)), None)
            if found and not found.is_standing:
                self._arranged.remove(found)
        return found

    def forget(self, client_id: str = "") -> int:
        """Take back what is arranged for one client, or all; returns how many they were."""
        with self._lock:
            kept = [each for each in self._arranged if client_id not in ("", each.client_id)]
            count = len(self._arranged) - len(kept)
            self._arranged = kept
        return count

    def clear(self) -> None:
        """Take all of them back."""
        self.forget()
