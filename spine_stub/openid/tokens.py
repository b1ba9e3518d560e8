"""The ID token, which is made, and what is asked of a client's assertion beyond what CIS2 asks of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from jwcrypto import jwk

from ..cis2.clients.assertions import Assertion, BadAssertion, time_of
from ..cis2.tokens.id_token import half_hash
from ..cis2.tokens.keys import signed
from ..people.directory import Person
from ..sessions import Session, session_key
from .codes import Grant

ALGORITHM = "RS256"
OLDEST = timedelta(seconds=40)
"""How old an assertion may be: as the documentation of 2017 has it."""

Claims = Mapping[str, Any]


def check_age(assertion: Assertion, now: datetime) -> None:
    """Raises BadAssertion for an assertion that is too old."""
    if time_of(assertion.claims, "iat") < now - OLDEST:
        raise BadAssertion(f"iat is more than {OLDEST.total_seconds():.0f} seconds ago")


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
        **{name: half_hash(text, ALGORITHM) for name, text in hashed.items() if text},
        **times,
    }
    if grant.nonce:
        claims["nonce"] = grant.nonce
    if role:
        claims["role"] = {"name": role.job, "role_id": role.id, "code": role.code}
        claims["org"] = {"name": role.org_name, "code": role.org_code or ""}
        claims["activities"] = list(role.business_functions)
        claims["workgroups"] = list(role.work_groups)
    return signed(claims, key, {"alg": ALGORITHM, "typ": "JWT", "kid": key["kid"]})


def session_id(ticket: str) -> str:
    """What names a ticket's session in an ID token: whoever has the ticket can make it too, and nobody the ticket."""
    return session_key(ticket)[:32]
