"""Which programs may ask who somebody is: DIR/clients.toml.

    [[client]]
    id = "ward-board"
    name = "Ward Board"
    redirect_uris = ["http://127.0.0.1/callback", "wardboard://signed-in"]
    key = "ward-board.pem"                     # its public key, RSA, PEM; a file beside this one

A redirect to this PC itself, http://127.0.0.1 or http://[::1], may have any port (RFC 8252, section 7.3).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jwcrypto import jwk

from ..errors import DataError

_LOOPBACK = ("127.0.0.1", "::1")
_FIELDS = {"id": str, "name": str, "redirect_uris": list, "key": str}


@dataclass(frozen=True)
class Client:
    """A registered program."""

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    key: jwk.JWK

    def may_redirect_to(self, uri: str) -> bool:
        """Whether a redirect is one of those registered."""
        return any(_without_port(uri) == _without_port(each) for each in self.redirect_uris)


def load_clients(path: Path) -> Mapping[str, Client]:
    """Read clients.toml; raises DataError that names the client."""
    try:
        entries = tomllib.loads(path.read_text("utf-8-sig")).get("client", [])
    except (OSError, ValueError) as exc:
        raise DataError(f"{path} cannot be read: {exc}") from exc
    if not isinstance(entries, list):
        raise DataError(f"{path}: client is not a list of tables")
    clients = [_client(path, number, entry) for number, entry in enumerate(entries, 1)]
    return {client.id: client for client in clients}


def _client(path: Path, number: int, entry: Any) -> Client:
    where = f"{path}: client number {number}"
    if not isinstance(entry, dict) or entry.keys() != _FIELDS.keys():
        raise DataError(f"{where} must have exactly {', '.join(_FIELDS)}")
    if not all(isinstance(entry[name], kind) for name, kind in _FIELDS.items()):
        raise DataError(f"{where} has a field of another type")
    uris = tuple(map(str, entry["redirect_uris"]))
    if not all(urlsplit(uri).scheme for uri in uris):
        raise DataError(f"{where} has a redirect URI that is none")
    try:
        key = jwk.JWK.from_pem((path.parent / entry["key"]).read_bytes())
    except (OSError, ValueError) as exc:
        raise DataError(f"{where}: its key cannot be read: {exc}") from exc
    if key["kty"] != "RSA" or key.has_private:
        raise DataError(f"{where}: its key must be a public RSA key")
    return Client(entry["id"], entry["name"], uris, key)


def _without_port(uri: str) -> str:
    """The URI, without its port where the port does not matter."""
    try:
        parts = urlsplit(uri)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        is_plain = parts.netloc in (host, f"{host}:{parts.port}")
    except ValueError:  # no address, or no port
        return uri
    if parts.scheme == "http" and parts.hostname in _LOOPBACK and is_plain:
        return parts._replace(netloc=str(host)).geturl()
    return uri
