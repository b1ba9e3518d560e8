"""Authorization codes and access tokens: what was asked for, who was signed in to it, and what stands for that."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ..identity.sessions import Authentication, Session

CODE_LIFETIME = timedelta(seconds=60)
TOKEN_LIFETIME = timedelta(hours=1)
_MOST = 2000


@dataclass(frozen=True)
class AuthorizationRequest:
    """What an application asked for at /authorize, once it is known to be one of ours."""

    sign_in: str
    """The id by which the journal knows it."""
    client_id: str
    redirect_uri: str
    parameters: Mapping[str, str]
    """As they were sent."""

    def __getitem__(self, name: str) -> str:
        """A parameter; empty when it was not sent."""
        return self.parameters.get(name, "")

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self["scope"].split()))


@dataclass(frozen=True)
class Grant:
    """What a code, and then an access token, stands for. It is Authlib's AuthorizationCodeMixin, and its user."""

    request: AuthorizationRequest
    session: Session
    authentication: Authentication
    """As it was when the code was given: the session's may be renewed."""
    role_id: str = ""
    code: str = field(default="", repr=False)

    @property
    def client_id(self) -> str:
        return self.request.client_id

    @property
    def code_challenge(self) -> str:
        """Of PKCE (RFC 7636)."""
        return self.request["code_challenge"]

    @property
    def code_challenge_method(self) -> str | None:
        return self.request["code_challenge_method"] or None

    def get_redirect_uri(self) -> str:
        return self.request.redirect_uri

    def get_scope(self) -> str:
        return " ".join(self.request.scopes)


class BadCode(Exception):
    """A code for which nothing is given; the text is a sentence."""


class Codes:
    """Codes and access tokens, in memory. All methods can be called from any thread."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._codes: dict[str, tuple[datetime, Grant]] = {}
        self._used: dict[str, str] = {}
        """The access token that each used code gave."""
        self._sign_ins: dict[str, str] = {}
        """The sign-in of each code."""
        self._tokens: dict[str, tuple[datetime, Grant]] = {}
        self._lock = threading.Lock()

    def give_code(self, code: str, grant: Grant) -> None:
        """Let a code stand for a grant, for a minute."""
        with self._lock:
            _put(self._codes, code, (self._clock() + CODE_LIFETIME, replace(grant, code=code)))
            _put(self._sign_ins, code, grant.request.sign_in)

    def take_code(self, code: str, client_id: str) -> Grant:
        """Return what a code stands for and use it up, whoever shows it; raises BadCode.

        A second use ends the access token that the first one gave (RFC 6749, section 4.1.2).
        """
        with self._lock:
            ends, grant = self._codes.pop(code, (None, None))
            if ends is None or grant is None:
                self._tokens.pop(self._used.get(code, ""), None)
                was_given = code in self._sign_ins
                raise BadCode("the code was used, or its session is over" if was_given else "the code was never given")
        if grant.client_id != client_id:
            raise BadCode("the code was given to another client")
        if self._clock() >= ends:
            raise BadCode(f"the code is older than {CODE_LIFETIME.seconds} seconds")
        return grant

    def sign_in_of(self, code: str) -> str:
        """The sign-in that a code was given in, whether it is used or not; nothing when it is not known."""
        return self._sign_ins.get(code, "")

    def of_code(self, code: str) -> Grant | None:
        """What a code stands for, without using it up."""
        return self._codes.get(code, (None, None))[1]

    def give_token(self, grant: Grant) -> str:
        """Return a new access token for a code that was used."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            _put(self._tokens, token, (self._clock() + TOKEN_LIFETIME, grant))
            _put(self._used, grant.code, token)
        return token

    def of_token(self, token: str) -> Grant | None:
        """What an access token stands for, while it lasts."""
        with self._lock:
            ends, grant = self._tokens.get(token, (None, None))
        return grant if ends and self._clock() < ends else None

    def end_session(self, sid: str) -> None:
        """Forget every code and token of a session."""
        with self._lock:
            for kept in (self._codes, self._tokens):
                for key in [key for key, (_, grant) in kept.items() if grant.session.sid == sid]:
                    del kept[key]

    def clear(self) -> None:
        with self._lock:
            for kept in (self._codes, self._used, self._tokens, self._sign_ins):
                kept.clear()


def _put(kept: dict[str, Any], key: str, value: Any) -> None:
    """Add, and forget the oldest of too many."""
    while len(kept) >= _MOST:
        del kept[next(iter(kept))]
    kept[key] = value
