"""The two signed tokens: the client's assertion, which is checked, and the ID token, which is made. RS256 both."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jwcrypto import jwk, jws
from jwcrypto.common import JWException

from ..cis2.clients.registry import Client
from ..people.directory import Person
from ..sessions import Session, session_key
from .codes import Grant, half_or_whole

ALGORITHM = "RS256"
OLDEST = timedelta(seconds=40)
"""How old an assertion may be: as the documentation of 2017 has it."""
LATEST = timedelta(minutes=5)
"""How far in the future it may end."""
_SKEW = timedelta(seconds=5)
_MOST_USED = 10_000
_MOST_TOKEN = 8192

Claims = Mapping[str, Any]


class BadAssertion(Exception):
    """A client's assertion that is not believed."""


class Assertions:
    """Checks the assertions by which clients say who they are (private_key_jwt: RFC 7523, section 3)."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()

    def check(self, token: str, client: Client, audience: str, now: datetime) -> None:
        """Raises BadAssertion. An assertion is taken once."""
        claims = _verified(token, jwk.JWK.from_pem(client.key.encode()))
        if (claims.get("iss"), claims.get("sub"), claims.get("aud")) != (client.id, client.id, audience):
            raise BadAssertion("for another issuer, subject or audience")
        issued, ends = _time(claims, "iat"), _time(claims, "exp")
        if not now - OLDEST <= issued <= now + _SKEW or not now < ends <= now + LATEST:
            raise BadAssertion("too old, of the future, or for too long")
        name = claims.get("jti")
        if not isinstance(name, str) or not name:
            raise BadAssertion("without a jti")
        self._use((client.id, name))

    def _use(self, name: tuple[str, str]) -> None:
        with self._lock:
            if name in self._used:
                raise BadAssertion("used already")
            while len(self._used) >= _MOST_USED:
                del self._used[next(iter(self._used))]
            self._used[name] = None


def id_token(
    key: jwk.JWK, issuer: str, grant: Grant, session: Session, person: Person, hashed: Mapping[str, str], times: Claims
) -> str:
    """Sign who somebody is. `hashed`: the texts behind at_hash, c_hash and s_hash; `times`: iat, exp and auth_time."""
    role = person.role(session.role_id or "")
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": grant.client_id,
        "sub": f"uid={person.uid},ou=People,o=nhs",
        "name": person.cn,
        "amr": ["pin", "legacy_signed_challenge"],
        "device_id": grant.device_id,
        "redirect_uri": grant.redirect_uri,
        "sid": session_id(grant.ticket),
        "jti": secrets.token_hex(16),
        **{name: half_or_whole(text) for name, text in hashed.items() if text},
        **times,
    }
    if grant.nonce:
        claims["nonce"] = grant.nonce
    if role:
        claims["role"] = {"name": role.job, "role_id": role.id, "code": role.code}
        claims["org"] = {"name": role.org_name, "code": role.org_code or ""}
        claims["activities"] = list(role.business_functions)
        claims["workgroups"] = list(role.work_groups)
    return _signed(key, claims)


def session_id(ticket: str) -> str:
    """What names a ticket's session in an ID token: whoever has the ticket can make it too, and nobody the ticket."""
    return session_key(ticket)[:32]


def _signed(key: jwk.JWK, claims: Claims) -> str:
    token = jws.JWS(json.dumps(claims))
    token.add_signature(key, None, json.dumps({"alg": ALGORITHM, "typ": "JWT", "kid": key["kid"]}))
    return str(token.serialize(compact=True))


def _verified(token: str, key: jwk.JWK) -> Claims:
    if len(token) > _MOST_TOKEN:
        raise BadAssertion("too long")
    try:
        read = jws.JWS()
        read.allowed_algs = [ALGORITHM]
        read.deserialize(token, key)
        claims = json.loads(read.payload)
    except (JWException, ValueError, TypeError, RecursionError) as exc:
        raise BadAssertion("not signed by this client's key") from exc
    if not isinstance(claims, dict):
        raise BadAssertion("without claims")
    return claims


def _time(claims: Claims, name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 33:
        raise BadAssertion(f"without {name} in seconds")
    return datetime.fromtimestamp(value, UTC)
