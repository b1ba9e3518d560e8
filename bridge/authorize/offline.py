"""Codes that are signed here, for programs that cannot reach their servers: they show that the session goes on.

The key is made of the session's ticket, which only this user's agent has: when the card is out nobody can make or check
one any more, and the next session's key is another. A code is for one client, redirect and PKCE challenge, for 30
seconds, and once. Whoever wants to know whether a code is good asks `python3 -m bridge authorize --redeem`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwcrypto import jwk, jws
from jwcrypto.common import JWException

from .broker import device_id, keys_file
from .request import Link, Question, Refusal

ISSUER = "nhsidentityagent://connect/authorize"
SECONDS = 30
_MOST_TOKEN = 8192

Claims = Mapping[str, Any]


class CodeRefused(Refusal):
    """A code that is not good, or not any more."""

    def __init__(self) -> None:
        super().__init__("access_denied", "The code is not good: another's, used already, too old, or the card is out.")


def sign_code(link: Link, question: Question, ticket: str) -> str:
    """Return a code for whoever an earlier ID token says, while that session goes on; raises Refusal."""
    hint = check_hint(link, question.hint, ticket)
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": hint["sub"],
        "aud": link.client.id,
        "iat": now,
        "exp": now + SECONDS,
        "jti": secrets.token_hex(16),
        "redirect_uri": link.redirect_uri,
        "code_challenge": question.challenge,
    }
    token = jws.JWS(json.dumps(claims))
    token.add_signature(_session_key(ticket), None, json.dumps({"typ": "JWT", "alg": "HS256"}))
    return str(token.serialize(compact=True))


def check_hint(link: Link, hint: str, ticket: str) -> Claims:
    """Return an ID token's claims, if it is for this program, redirect, PC and session; raises Refusal."""
    claims = _verified(hint, _broker_keys(), "RS256")
    ours = (link.client.id, link.redirect_uri, device_id(), _session_id(ticket))
    theirs = tuple(claims.get(name) for name in ("aud", "redirect_uri", "device_id", "sid"))
    ends = claims.get("exp")
    if theirs != ours or not isinstance(ends, int) or ends <= time.time() or not isinstance(claims.get("sub"), str):
        raise Refusal("access_denied", "The ID token is another program's, PC's or session's, or its time is up.")
    return claims


def redeem(code: str, client_id: str, redirect_uri: str, verifier: str, ticket: str, used: Path) -> Claims:
    """Return a good code's claims, and use it up; raises CodeRefused. `used` is a folder of this user's own."""
    try:
        claims = _verified(code, [_session_key(ticket)], "HS256")
    except Refusal:
        raise CodeRefused from None
    ours = (ISSUER, client_id, redirect_uri, _challenge(verifier))
    theirs = tuple(claims.get(name) for name in ("iss", "aud", "redirect_uri", "code_challenge"))
    if theirs != ours or not claims["iat"] <= time.time() < claims["exp"]:
        raise CodeRefused
    _use_up(str(claims["jti"]), used)
    return {name: claims[name] for name in ("sub", "aud", "iat", "exp")}


def _use_up(name: str, used: Path) -> None:
    """Leave a file of the code's name, which can be made once; those that are too old to matter are removed."""
    used.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in used.iterdir():
        if old.stat().st_mtime < time.time() - 2 * SECONDS:
            old.unlink(missing_ok=True)
    try:
        os.close(os.open(used / hashlib.sha256(name.encode()).hexdigest(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise CodeRefused from None


def _session_key(ticket: str) -> jwk.JWK:
    """The session's key: HKDF (RFC 5869) of its ticket."""
    key = HKDF(hashes.SHA256(), 32, None, b"lanyard offline code").derive(ticket.encode())
    return jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(key).rstrip(b"=").decode())


def _session_id(ticket: str) -> str:
    """What the broker's ID tokens call the session: the start of the ticket's SHA-256."""
    return hashlib.sha256(ticket.encode()).hexdigest()[:32]


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _broker_keys() -> list[jwk.JWK]:
    try:
        found = json.loads(keys_file().read_text())["keys"]
        return [jwk.JWK(**each) for each in found]
    except (OSError, ValueError, TypeError, LookupError, RecursionError, JWException):
        says = "This PC has not asked the broker yet, so it cannot check ID tokens."
        raise Refusal("internal_server_error", says) from None


def _verified(token: str, keys: list[jwk.JWK], algorithm: str) -> dict[str, Any]:
    """Return the claims of a token that one of the keys has signed; raises Refusal."""
    for key in keys if len(token) <= _MOST_TOKEN else ():
        try:
            read = jws.JWS()
            read.allowed_algs = [algorithm]
            read.deserialize(token, key)
            claims = json.loads(read.payload)
        except (JWException, ValueError, TypeError, RecursionError):
            continue
        if isinstance(claims, dict):
            return claims
    raise Refusal("access_denied", "The ID token is not the broker's.")
