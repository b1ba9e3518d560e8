"""The assertions by which clients say who they are: client_secret_jwt and private_key_jwt (RFC 7523, section 3).

Its rules are those of CIS2's guidance: the audience is the token endpoint, it ends within five minutes, its jti is
taken once, and the key that its kid names is known.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from jwcrypto import jws
from jwcrypto.common import JWException

from ...config import CLOCK_SKEW
from ..tokens.reading import BadToken, taken_apart
from .keys import ClientKeys, KeysError, secret_key
from .registry import SECRET_JWT, Client

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST = timedelta(minutes=5)
"""How far in the future an assertion may end."""
_REMEMBERED = LONGEST + 2 * CLOCK_SKEW
_MOST_USED = 100_000
_MOST_TOKEN = 8192

Claims = Mapping[str, Any]


class BadAssertion(Exception):
    """An assertion that is not believed; the text is a sentence."""


@dataclass(frozen=True)
class Assertion:
    """A signed token as it came, of which nothing is believed yet."""

    text: str
    header: Claims
    claims: Claims

    @classmethod
    def read(cls, text: str) -> Assertion:
        """Take it apart; raises BadAssertion."""
        if len(text) > _MOST_TOKEN:
            raise BadAssertion("the assertion is too long")
        try:
            return cls(text, *taken_apart(text))
        except BadToken as exc:
            raise BadAssertion("the assertion is not a signed JWT of JSON objects") from exc

    @property
    def client_id(self) -> str:
        """Who it says it is of."""
        name = self.claims.get("sub")
        return name if isinstance(name, str) else ""


class Assertions:
    """Checks assertions. All methods can be called from any thread, and may wait for a client's key set."""

    def __init__(self, keys: ClientKeys) -> None:
        self._keys = keys
        self._used: dict[bytes, datetime] = {}
        """When each was taken, by a digest of client and jti; the oldest first."""
        self._lock = threading.Lock()

    def check(self, assertion: Assertion, client: Client, method: str, audience: str, now: datetime) -> None:
        """Raises BadAssertion. An assertion is taken once."""
        self._check_signature(assertion, client, method)
        claims = assertion.claims
        if (claims.get("iss"), claims.get("sub")) != (client.id, client.id):
            raise BadAssertion("iss and sub are not both the client's id")
        named = claims.get("aud")
        if audience not in (named if isinstance(named, list) else [named]):
            raise BadAssertion(f"aud is not the token endpoint, {audience}")
        _check_times(claims, now)
        name = claims.get("jti")
        if not isinstance(name, str) or not name:
            raise BadAssertion("jti is missing")
        self._use(f"{client.id} {name}", now)

    def forget(self) -> None:
        """Take each assertion again."""
        with self._lock:
            self._used.clear()

    def _check_signature(self, assertion: Assertion, client: Client, method: str) -> None:
        algorithm, kid = assertion.header.get("alg"), assertion.header.get("kid")
        allowed = client.algorithms(method)
        if algorithm not in allowed:
            raise BadAssertion(f"alg is {str(algorithm)[:20]!r}, and it may be {' or '.join(allowed)}")
        if method == SECRET_JWT and len(client.secret.encode()) < int(algorithm[2:]) // 8:
            raise BadAssertion(f"the client's secret is too short for {algorithm} (RFC 7518, section 3.2)")
        try:
            named = kid if isinstance(kid, str) else None
            key = secret_key(client.secret) if method == SECRET_JWT else self._keys.find(client, named)
            read = jws.JWS()
            read.allowed_algs = list(allowed)
            read.deserialize(assertion.text, key)
        except KeysError as exc:
            raise BadAssertion(str(exc)) from exc
        except (JWException, ValueError, TypeError, RecursionError) as exc:
            raise BadAssertion("its signature is not by the client's key") from exc

    def _use(self, name: str, now: datetime) -> None:
        """Remember an assertion for as long as it could be taken: nobody's is pushed out by many others."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            while self._used and next(iter(self._used.values())) < now - _REMEMBERED:
                del self._used[next(iter(self._used))]
            if digest in self._used:
                raise BadAssertion("its jti was used already")
            if len(self._used) >= _MOST_USED:
                raise BadAssertion("too many assertions came within a few minutes")
            self._used[digest] = now


def _check_times(claims: Claims, now: datetime) -> None:
    ends = time_of(claims, "exp")
    if not now - CLOCK_SKEW < ends:
        raise BadAssertion("exp is past")
    if ends > now + LONGEST + CLOCK_SKEW:
        raise BadAssertion("exp is more than five minutes from now")
    for name in ("iat", "nbf"):
        if name in claims and time_of(claims, name) > now + CLOCK_SKEW:
            raise BadAssertion(f"{name} is in the future")


def time_of(claims: Claims, name: str) -> datetime:
    """A time among the claims; raises BadAssertion."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1 << 33:
        raise BadAssertion(f"{name} is not there as a number of seconds")
    return datetime.fromtimestamp(value, UTC)
