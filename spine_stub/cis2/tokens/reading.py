"""Signed tokens taken apart again: what one says, and whether it is one of ours."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .keys import Keys

MOST_TOKEN = 16_384
_DEEPEST = 20
_MOST_DIGITS = 20


class BadToken(Exception):
    """A text that is no token, or none of ours; why, in a sentence."""


def taken_apart(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a token's header and claims, whoever signed it; raises BadToken."""
    try:
        header, claims, _ = token.split(".")
        read = [_plain(decoded(part)) for part in (header, claims)]
    except (ValueError, RecursionError) as exc:
        raise BadToken("it is no signed token") from exc
    if not all(isinstance(part, dict) for part in read):
        raise BadToken("it has no claims")
    return read[0], read[1]


def verified(token: str, keys: Keys) -> dict[str, Any]:
    """Return the claims of a token that we signed with a key that is published still; raises BadToken."""
    if len(token) > MOST_TOKEN:
        raise BadToken("it is too long")
    header, claims = taken_apart(token)
    for key in keys.public()["keys"]:
        if (key["kid"], key["alg"]) == (header.get("kid"), header.get("alg")):
            _check_signature(token, key)
            return claims
    raise BadToken("no key of ours has its kid and alg")


def decoded(part: str) -> bytes:
    """The bytes of a token's part, which is base64url without padding (RFC 7515, section 2); raises ValueError."""
    return base64.b64decode(part + "=" * (-len(part) % 4), "-_", validate=True)


def encoded(raw: bytes) -> str:
    """A token's part of these bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _plain(text: bytes) -> Any:
    """Read JSON that can be shown wherever a step is shown; raises ValueError and RecursionError.

    Half characters, numbers that are none or have hundreds of digits, and depth beyond reason are in no honest token.
    """
    read = json.loads(text, parse_int=_integer)
    json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    if _depth(read) > _DEEPEST:
        raise ValueError("too deep")
    return read


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _check_signature(token: str, key: dict[str, Any]) -> None:
    from jwcrypto import jwk, jws  # takes a while to import
    from jwcrypto.common import JWException

    read = jws.JWS()
    read.allowed_algs = [key["alg"]]
    try:
        read.deserialize(token, jwk.JWK(**key))
    except (JWException, ValueError) as exc:
        raise BadToken("its signature is wrong") from exc
