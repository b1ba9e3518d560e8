"""What happened in each sign-in, one step for each thing an application or its browser did.

The console shows it, the conformance report judges by it, and tests ask it. No whole code, token or secret is in a
step: `shortened` is what stands for one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import has_request_context

from ..web.request import current

KEPT_STEPS = 2000
_SHOWN = 8
"""How many characters of a secret are left."""
_LONGEST = 2000
_NAMES = ("client_secret", "client_assertion", "code", "code_verifier", "access_token", "id_token", "id_token_hint")
_SECRETS = frozenset((*_NAMES, "logout_token", "token", "ticket"))


@dataclass(frozen=True)
class Step:
    """One request and what came of it."""

    number: int
    time: datetime
    sign_in: str
    """The id that was made at /authorize; the code, the tokens and the session's clients carry it. Nothing when the
    request could not be told to belong to a sign-in."""
    client_id: str
    endpoint: str
    """authorize, page, role, code, access_token, userinfo, logout, end_session or jwks."""
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The parameters; of access_token also auth_method, and the assertion's header and claims."""
    got: Mapping[str, Any] = field(default_factory=dict)
    """The status, parameters of a redirect, claims that were given."""
    refused: str = ""
    """Why it was not granted, in a sentence."""
    fault: str = ""
    """The fault that made its reply, and the fault's value."""


class Journal:
    """The last steps. All methods can be called from any thread."""

    def __init__(self, clock: Callable[[], datetime], kept: int = KEPT_STEPS) -> None:
        self._clock = clock
        self._steps: deque[Step] = deque(maxlen=kept)
        self._lock = threading.Lock()
        self._next = 1
        self.listener: Callable[[Step], None] | None = None

    def add(
        self,
        endpoint: str,
        *,
        sign_in: str = "",
        client_id: str = "",
        sent: Mapping[str, Any] | None = None,
        got: Mapping[str, Any] | None = None,
        refused: str = "",
        fault: str = "",
    ) -> Step:
        """Note a step; secrets among its parameters are shortened. `fault` is that of the request when not given."""
        with self._lock:
            sent, got = without_secrets(sent or {}), without_secrets(got or {})
            fault = fault or (current().fault if has_request_context() else "")
            step = Step(self._next, self._clock(), sign_in, client_id[:_LONGEST], endpoint, sent, got, refused, fault)
            self._next += 1
            self._steps.append(step)
        if self.listener:
            self.listener(step)
        return step

    def steps(self, client_id: str = "", sign_in: str = "") -> list[Step]:
        """The kept steps, oldest first, of one client or one sign-in or all."""
        with self._lock:
            kept = list(self._steps)
        return [s for s in kept if client_id in ("", s.client_id) and sign_in in ("", s.sign_in)]

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        with self._lock:
            self._steps.clear()


def shortened(secret: str) -> str:
    """The beginning of a secret, enough to recognise it by."""
    return f"{secret[:_SHOWN]}..." if len(secret) > 2 * _SHOWN else "..."


def without_secrets(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they may be kept: texts of a bounded length, secrets shortened."""
    return {name[:_LONGEST]: _kept(name, value) for name, value in fields.items()}


def _kept(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return shortened(value) if name in _SECRETS else value[:_LONGEST]
