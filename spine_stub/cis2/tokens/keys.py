"""The provider's own keys: RSA, made when the first one is needed, and named as the real one names its keys.

A kid is base64 with "/" and "+" in it, such as b/O6OvVv1+y+WgrH5Ui9WTioLt0=: programs that put a kid into a path or
an address fail at it, and should fail here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from jwcrypto import jwk, jws

from ...errors import DataError
from ...folder import CA, locked, write_private
from ...pki import authority
from ..clients.registry import SIGNING

KEY = CA / "cis2.key.pem"
_KEPT = 3
"""How many keys are published after rotations: the one that signs, and those before it."""


class Keys:
    """Signs tokens. All methods can be called from any thread."""

    def __init__(self, data: Path) -> None:
        """Read the key in DIR, or make it; raises DataError."""
        self._first = stored_key(data / KEY)
        self._keys = [self._first]
        self._lock = threading.Lock()

    @property
    def current(self) -> jwk.JWK:
        """The key that signs now."""
        return self._keys[0]

    def sign(self, claims: Mapping[str, Any], algorithm: str = "RS256", **header: Any) -> str:
        """A signed JWT (RFC 7519) of these claims."""
        return signed(claims, self.current, {**self.header(algorithm), **header})

    def header(self, algorithm: str = "RS256") -> dict[str, str]:
        """The header of what is signed now."""
        return {"typ": "JWT", "kid": kid_of(self.current, algorithm), "alg": algorithm}

    def public(self) -> dict[str, Any]:
        """The key set that tokens are checked with (RFC 7517); each algorithm has an entry with a kid of its own."""
        with self._lock:
            keys = list(self._keys)
        return {"keys": [_entry(key, algorithm) for key in keys for algorithm in SIGNING]}

    def rotate(self, *, keep: bool = True) -> None:
        """Sign with a new key from now on; `keep` goes on publishing the older ones."""
        new = jwk.JWK.from_pem(_new_key())
        with self._lock:
            self._keys = [new, *(self._keys if keep else [])][:_KEPT]

    def reset(self) -> None:
        """Sign with the first key again."""
        with self._lock:
            self._keys = [self._first]


def kid_of(key: jwk.JWK, algorithm: str) -> str:
    """A key's name, as the real provider's look: the base64 of 20 bytes, with "/" and "+" in it."""
    public = algorithm.encode() + key.export_to_pem()
    for number in count():
        digest = hashlib.sha1(public + number.to_bytes(4, "big"), usedforsecurity=False).digest()
        name = base64.b64encode(digest).decode()
        if "/" in name and "+" in name:
            return name
    raise AssertionError("not reached")


def _entry(key: jwk.JWK, algorithm: str) -> dict[str, Any]:
    return {**key.export_public(as_dict=True), "kid": kid_of(key, algorithm), "use": "sig", "alg": algorithm}


def _new_key() -> bytes:
    return authority.key_pem(authority.rsa_key())


def signed(claims: Mapping[str, Any], key: jwk.JWK, header: Mapping[str, str]) -> str:
    """A JWT of these claims (RFC 7519), signed by the algorithm that the header names."""
    token = jws.JWS(json.dumps(claims))
    token.add_signature(key, None, json.dumps(header))
    return str(token.serialize(compact=True))


def stored_key(path: Path) -> jwk.JWK:
    """The private RSA key in a file, which is made if there is none; raises DataError."""
    try:
        with locked(path.parent):
            if not path.exists():
                write_private(path, _new_key())
        return jwk.JWK.from_pem(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise DataError(f"{path} cannot be used: {exc}") from exc
