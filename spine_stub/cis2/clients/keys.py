"""The keys by which clients' assertions are checked: a secret, a public key, a key set in a file or at an address."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jwcrypto import jwk
from jwcrypto.common import JWException, base64url_encode

from .addresses import AddressError, Addresses

if TYPE_CHECKING:
    from .registry import Client

_MOST_KEYS = 50
_MOST_BYTES = 64 * 1024
_KEPT_SECONDS = 300.0
"""How long a key set is taken as it was fetched."""
_WAIT_SECONDS = 2.0
"""How soon after a fetch an unknown kid has it fetched again."""
_LEAST_RSA, _MOST_RSA = 2048, 8192
_CURVES = ("P-256", "P-384", "P-521")


class KeysError(Exception):
    """Keys that cannot be had or used; the text is a sentence."""


KeySet = Mapping[str, jwk.JWK]
"""Public keys by their kid."""


class ClientKeys:
    """The keys of clients; of those at an address, as they were when they were fetched."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._fetched: dict[str, tuple[float, KeySet]] = {}
        self._lock = threading.Lock()

    def find(self, client: Client, kid: str | None) -> jwk.JWK:
        """The public key that a client signs with; raises KeysError. A single key has no name: any kid will do."""
        if client.key:
            return jwk.JWK.from_pem(client.key.encode())
        if kid is None:
            raise KeysError("the assertion's header has no kid, and the client has a key set")
        keys = read_key_set(client.jwks) if client.jwks else self._fetch(client.jwks_uri, kid)
        if kid not in keys:
            known = ", ".join(map(repr, keys))[:300]
            raise KeysError(f"the client's key set has no key with kid {kid[:60]!r}; it has: {known}")
        return keys[kid]

    def forget(self) -> None:
        """Fetch every key set again when it is needed."""
        with self._lock:
            self._fetched.clear()

    def _fetch(self, url: str, kid: str) -> KeySet:
        now = time.monotonic()
        with self._lock:
            fetched, keys = self._fetched.get(url, (None, {}))
        if fetched is not None and now - fetched < (_KEPT_SECONDS if kid in keys else _WAIT_SECONDS):
            return keys
        keys = self._get(url)
        with self._lock:
            self._fetched[url] = now, keys
        return keys

    def _get(self, url: str) -> KeySet:
        try:
            answer = self._addresses.get(url)
        except AddressError as exc:
            raise KeysError(f"the client's key set cannot be fetched: {exc}") from exc
        if answer.status != 200:
            raise KeysError(f"the client's key set cannot be fetched: {url} answers HTTP {answer.status}")
        return read_key_set(answer.content)


def secret_key(secret: str) -> jwk.JWK:
    """A client's secret as the key of an HMAC (OpenID Connect Core 1.0, section 9)."""
    return jwk.JWK(kty="oct", k=base64url_encode(secret))


def read_key_set(document: str | bytes) -> KeySet:
    """Read a JSON Web Key Set (RFC 7517): its RSA and EC keys that can check signatures. Raises KeysError."""
    if len(document) > _MOST_BYTES:
        raise KeysError("the key set is too long")
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise KeysError("the key set is not of the form of RFC 7517") from exc
    if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
        raise KeysError("the key set has no list of keys, or a very long one")
    return dict(_named(entry) for entry in entries if _is_for_signatures(entry))


def _is_for_signatures(entry: Any) -> bool:
    is_named = isinstance(entry, dict) and isinstance(entry.get("kid"), str)
    return is_named and entry.get("kty") in ("RSA", "EC") and entry.get("use", "sig") == "sig"


def _named(entry: dict[str, Any]) -> tuple[str, jwk.JWK]:
    if "d" in entry:
        raise KeysError("the key set has a private key in it")
    wanted = ("kty", "n", "e") if entry["kty"] == "RSA" else ("kty", "crv", "x", "y")
    try:
        key = jwk.JWK(**{name: entry[name] for name in wanted if isinstance(entry[name], str)})
        _check_strength(key)
    except (JWException, ValueError, TypeError, KeyError) as exc:
        raise KeysError(f"the key with kid {entry['kid'][:60]!r} cannot be used: {type(exc).__name__}") from exc
    return entry["kid"], key


def _check_strength(key: jwk.JWK) -> None:
    """Raises ValueError for a key that is too weak, too large to be checked quickly, or not on its curve."""
    public = key.get_op_key("verify")
    if key["kty"] == "RSA" and not (_LEAST_RSA <= public.key_size <= _MOST_RSA and public.public_numbers().e < 1 << 32):
        raise ValueError(public.key_size)
    if key["kty"] == "EC" and key["crv"] not in _CURVES:
        raise ValueError(key["crv"])
