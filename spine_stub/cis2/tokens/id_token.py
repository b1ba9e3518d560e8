"""The ID token: the claims that CIS2's have been seen to have, in their form (OpenID Connect Core 1.0, section 2)."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from ..clients.registry import Client
from ..identity.assurance import Wanted
from .codes import Grant
from .reading import encoded

LIFETIME = timedelta(hours=1)


def claims(grant: Grant, client: Client, issuer: str, access_token: str, now: datetime) -> dict[str, Any]:
    """The claims of the ID token for a grant."""
    request, who = grant.request, grant.authentication
    found: dict[str, Any] = {
        "at_hash": half_hash(access_token, client.id_token_alg),
        "sub": who.uid,
        "auditTrackingId": f"{secrets.token_hex(4)}-{secrets.token_hex(10)}-{secrets.randbelow(10**6)}",
        "amr": who.amr,
        "iss": issuer,
        "tokenName": "id_token",
        "aud": client.id,
        "c_hash": half_hash(grant.code, client.id_token_alg),
        "acr": Wanted.read(request.parameters).acr(who),
        "id_assurance_level": level(who.ial, client),
        "authentication_assurance_level": level(who.aal, client),
        "org.forgerock.openidconnect.ops": secrets.token_urlsafe(20),
        "azp": client.id,
        "auth_time": int(who.time.timestamp()),
        "realm": "/NHSIdentity/Healthcare",
        "exp": int((now + LIFETIME).timestamp()),
        "tokenType": "JWTToken",
        "iat": int(now.timestamp()),
        "sid": grant.session.sid,
    }
    if request["state"]:
        found["s_hash"] = half_hash(request["state"], client.id_token_alg)
    if request["nonce"]:
        found["nonce"] = request["nonce"]
    if grant.role_id:
        found["selected_roleid"] = grant.role_id
    return found


def level(value: int, client: Client) -> int | str:
    """An assurance level as this client gets it: both forms have been seen."""
    return value if client.levels == "number" else str(value)


def half_hash(text: str, algorithm: str) -> str:
    """The left half of a text's hash in base64url, as at_hash, c_hash and s_hash are made (section 3.1.3.6)."""
    digest = hashlib.new(f"sha{algorithm[-3:]}", text.encode()).digest()
    return encoded(digest[: len(digest) // 2])
