"""Programs that may ask who is signed in by a link (nhsidentityagent://...), as /etc/lanyard/bridge.toml has them.

    broker = "https://127.0.0.1:8443"       # which gives the codes
    broker_ca = "/etc/lanyard/ca.pem"       # whom its TLS certificate must be from; left out: whom this PC trusts

    [clients.ward-board]
    name = "Ward Board"
    redirect_uris = ["http://127.0.0.1/callback", "wardboard://signed-in"]

A redirect is a program's own scheme, https, or http to this PC by its number; of the last the port does not matter
(RFC 8252, section 7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_LOOPBACK = ("127.0.0.1", "::1")
_NOT_PRIVATE = ("file", "data", "javascript", "about", "blob", "ftp", "nhsidentityagent")
_FIELDS = {"name": str, "redirect_uris": list}
_LONGEST_NAME = 60
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What can stand for a program where a page would have its origin."""


@dataclass(frozen=True)
class Client:
    """A registered program; `name` is what the person is shown."""

    id: str
    name: str
    redirect_uris: tuple[str, ...]

    def may_redirect_to(self, uri: str) -> bool:
        """Return whether a redirect is one of those registered."""
        return any(_without_port(uri) == _without_port(each) for each in self.redirect_uris)


def is_loopback(parts: SplitResult) -> bool:
    """Return whether an address is one of this PC itself, by its number."""
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def read_clients(value: object) -> tuple[Client, ...]:
    """Return the clients of a table. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("is not a table of clients")
    return tuple(_client(name, entry) for name, entry in value.items())


def read_broker(value: object) -> str:
    """Return a broker's address. Raises ValueError."""
    if not isinstance(value, str) or urlsplit(value).scheme != "https" or urlsplit(value).path.strip("/"):
        raise ValueError("is not an https address without a path")
    return value.rstrip("/")


def read_path(value: object) -> str:
    """Return the name of a file from the root. Raises ValueError."""
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("is not a file's name that begins with /")
    return value


def _client(name: str, entry: object) -> Client:
    if not _ID.fullmatch(name):
        raise ValueError(f"has a client {name!r}, whose name may have letters, digits and . _ - only")
    if not isinstance(entry, dict) or entry.keys() != _FIELDS.keys():
        raise ValueError(f"has a client {name} that does not have exactly {' and '.join(_FIELDS)}")
    if not all(isinstance(entry[field], kind) for field, kind in _FIELDS.items()):
        raise ValueError(f"has a client {name} with a field of another type")
    if not entry["name"].isprintable() or not 0 < len(entry["name"]) <= _LONGEST_NAME:
        raise ValueError(f"has a client {name} whose name cannot be shown")
    for uri in entry["redirect_uris"]:
        if not _is_redirect(uri):
            raise ValueError(f"has a client {name} with a redirect URI that is not safe")
    return Client(name, entry["name"], tuple(entry["redirect_uris"]))


def _is_redirect(uri: object) -> bool:
    """Return whether a code may go there: RFC 8252, sections 7.1 to 7.3; no fragment (RFC 6749, section 3.1.2)."""
    if not isinstance(uri, str) or "#" in uri or not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    if parts.scheme == "http":
        return is_loopback(parts)
    return bool(parts.scheme) and parts.scheme not in _NOT_PRIVATE


def _without_port(uri: str) -> str:
    """Return the URI, for one of this PC itself without its port."""
    try:
        parts = urlsplit(uri)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        is_plain = parts.netloc in (host, f"{host}:{parts.port}")  # without a user's name, say
    except ValueError:  # no address, or no port
        return uri
    return parts._replace(netloc=str(host)).geturl() if is_loopback(parts) and is_plain else uri
