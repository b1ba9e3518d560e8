"""Which applications may ask who somebody is: DIR/clients.toml, whose own comments say what its fields mean."""

from __future__ import annotations

import secrets
import threading
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ...config import LOOPBACK
from ...errors import DataError
from .addresses import is_bare

EXAMPLE = Path(__file__).with_name("clients.toml")
"""What a new DIR gets."""
SECRET_POST, SECRET_JWT, PRIVATE_KEY_JWT = "client_secret_post", "client_secret_jwt", "private_key_jwt"
AUTH_METHODS = (SECRET_POST, SECRET_JWT, PRIVATE_KEY_JWT)
SIGNING = ("RS256", "RS384", "RS512", "PS256")
"""The algorithms that ID tokens and userinfo can be signed with."""
_ASSERTIONS = {
    SECRET_JWT: ("HS256", "HS384", "HS512"),
    PRIVATE_KEY_JWT: ("RS256", "RS512", "RS384", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
}
"""The algorithms that a client may sign its assertions with, by its way of authentication."""
_USUAL = {SECRET_JWT: ("HS256",), PRIVATE_KEY_JWT: ("RS256", "RS512")}
_PROOFS = ("secret", "key", "jwks", "jwks_uri")
_LEAST_KEY = 2048
_LONGEST_ID = 200
_OF_BROWSERS = ("about", "blob", "data", "file", "javascript", "vbscript")
"""Addresses that lead to no application, but to the browser itself."""


@dataclass(frozen=True)
class Client:
    """A registered application."""

    id: str
    name: str = ""
    redirect_uris: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)
    key: str = ""
    """Its public key, PEM."""
    jwks: str = ""
    """Its JSON Web Key Set, as text (RFC 7517)."""
    jwks_uri: str = ""
    auth_method: str = ""
    assertion_algorithms: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    """Those it may ask for; nothing for all."""
    id_token_alg: str = SIGNING[0]
    userinfo: str = "plain"
    levels: str = "text"
    single_as_object: bool = False
    backchannel_logout_uri: str = ""
    post_logout_redirect_uris: tuple[str, ...] = ()
    is_any: bool = False
    """Not registered at all: --any-client took it."""

    @property
    def auth_methods(self) -> tuple[str, ...]:
        """The ways in which it may say who it is at the token endpoint."""
        if self.auth_method:
            return (self.auth_method,)
        if self.is_any:  # its secret is not known, so no signature of it can be checked
            return (SECRET_POST,)
        return (SECRET_POST, SECRET_JWT) if self.secret else (PRIVATE_KEY_JWT,)

    def algorithms(self, method: str) -> tuple[str, ...]:
        """The algorithms that it may sign its assertions with, for a way of authentication."""
        own = tuple(name for name in self.assertion_algorithms if name in _ASSERTIONS[method])
        return own or _USUAL[method]

    def may_redirect_to(self, uri: str) -> bool:
        """Whether a redirect is one of those registered, text for text but for a loopback port."""
        return self._is_among(uri, self.redirect_uris)

    def may_go_back_to(self, uri: str) -> bool:
        """Whether a redirect after a log-out is one of those registered, by the same rule."""
        return self._is_among(uri, self.post_logout_redirect_uris)

    def _is_among(self, uri: str, registered: Iterable[str]) -> bool:
        if not is_bare(uri):  # a line break, for example, which is lost when an address is taken apart
            return False
        if self.is_any:
            return _without_port(uri) != uri
        return any(_without_port(uri) == _without_port(each) for each in registered)


class Registry:
    """The applications that are known. All methods can be called from any thread."""

    def __init__(self, clients: Mapping[str, Client], any_client: bool = False) -> None:
        """`any_client` takes whoever comes from this machine, whatever its id and secret."""
        self._first = dict(clients)
        self._clients = dict(clients)
        self._any = any_client
        self._lock = threading.Lock()

    @classmethod
    def of_file(cls, path: Path, any_client: bool = False) -> Registry:
        """Read clients.toml; none where there is no such file. Raises DataError that names client and field."""
        return cls(load(path) if path.exists() else {}, any_client)

    def get(self, client_id: str) -> Client | None:
        """The client of this id."""
        with self._lock:
            found = self._clients.get(client_id)
        if found is None and self._any and client_id:
            return Client(client_id, client_id, is_any=True)
        return found

    def all(self) -> list[Client]:
        with self._lock:
            return list(self._clients.values())

    def add(self, client: Client) -> None:
        """Register a client until the broker ends, in place of one of the same id."""
        with self._lock:
            self._clients[client.id] = client

    def reset(self) -> None:
        """Know those of the file only."""
        with self._lock:
            self._clients = dict(self._first)


def load(path: Path) -> Mapping[str, Client]:
    """Read clients.toml; raises DataError that names the client and the field."""
    try:
        entries = tomllib.loads(path.read_text("utf-8-sig")).get("client", [])
    except (OSError, ValueError) as exc:
        raise DataError(f"{path} cannot be read: {exc}") from exc
    if not isinstance(entries, list):
        raise DataError(f"{path}: client is not a list of tables")
    clients: dict[str, Client] = {}
    for number, entry in enumerate(entries, 1):
        name = str(entry.get("id", number)) if isinstance(entry, dict) else str(number)
        try:
            client = make(entry, path.parent)
            if client.id in clients:
                raise DataError("id: two clients have it")
        except DataError as exc:
            raise DataError(f"{path}: client {name}: {exc}") from exc
        clients[client.id] = client
    return clients


def make(entry: Any, folder: Path | None) -> Client:
    """Make a client of a table of clients.toml; raises DataError: "field: why".

    Files are looked for in `folder`; without one, key and jwks are not names of files but what would be in them.
    """
    kinds = {each.name: each for each in fields(Client) if each.name != "is_any"}
    if not isinstance(entry, dict):
        raise DataError("it is not a table")
    for name, value in entry.items():
        if name not in kinds:
            raise DataError(f"{name}: there is no such field; there are: {', '.join(kinds)}")
        _check_type(name, value, kinds[name].default)
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    if not made.get("id"):
        raise DataError("id: it is missing")
    for name in ("id", "name"):
        if len(made.get(name, "")) > _LONGEST_ID or not made.get(name, "").isprintable():
            raise DataError(f"{name}: it must be on one line, of at most {_LONGEST_ID} characters")
    _check_choices(made)
    _check_addresses(made)
    if folder:
        made |= {name: _content(name, folder / made[name]) for name in ("key", "jwks") if made.get(name)}
    if made.get("key"):
        _check_key(made["key"])
    if made.get("jwks"):
        _check_key_set(made["jwks"])
    return Client(**{"name": made["id"], **made})


def new_secret() -> str:
    """A secret for a client that has none."""
    return secrets.token_urlsafe(24)


def _check_type(name: str, value: Any, default: Any) -> None:
    if isinstance(default, tuple):
        is_right = isinstance(value, list) and all(isinstance(each, str) for each in value)
        wanted = "a list of texts"
    else:
        kind = bool if isinstance(default, bool) else str
        is_right, wanted = isinstance(value, kind), "true or false" if kind is bool else "a text"
    if not is_right:
        raise DataError(f"{name}: it must be {wanted}")
    try:
        "".join(value if isinstance(value, list | str) else []).encode()
    except UnicodeEncodeError as exc:
        raise DataError(f"{name}: it has half a character in it") from exc


def _check_choices(made: Mapping[str, Any]) -> None:
    choices = {
        "auth_method": AUTH_METHODS,
        "id_token_alg": SIGNING,
        "userinfo": ("plain", "signed"),
        "levels": ("text", "number"),
    }
    for name, allowed in choices.items():
        if made.get(name, allowed[0]) not in allowed:
            raise DataError(f"{name}: it must be one of {', '.join(allowed)}")
    known = {name for names in _ASSERTIONS.values() for name in names}
    if set(made.get("assertion_algorithms", ())) - known:
        raise DataError(f"assertion_algorithms: each must be one of {', '.join(sorted(known))}")
    proofs = [name for name in _PROOFS if made.get(name)]
    if len(proofs) != 1:
        raise DataError(f"{', '.join(_PROOFS)}: it must have exactly one of them")
    if made.get("auth_method", "") not in ("", *(AUTH_METHODS[:2] if proofs == ["secret"] else AUTH_METHODS[2:])):
        raise DataError(f"auth_method: {made['auth_method']} does not go with {proofs[0]}")


def _check_addresses(made: Mapping[str, Any]) -> None:
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in made.get(name, ()):
            if not is_bare(uri) or not _is_address(uri):
                raise DataError(f"{name}: {uri!r} is no address to go back to; it has no #")
    for name in ("jwks_uri", "backchannel_logout_uri"):
        uri = made.get(name, "")
        if uri and (not is_bare(uri) or not _is_address(uri) or not uri.startswith(("http://", "https://"))):
            raise DataError(f"{name}: {uri!r} is no http or https address")


def _is_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        is_way = bool(parts.scheme) and parts.scheme not in _OF_BROWSERS
        return is_way and (parts.scheme not in ("http", "https") or bool(parts.hostname))
    except ValueError:
        return False


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as exc:
        raise DataError(f"{name}: {path} cannot be read: {exc}") from exc


def _check_key(pem: str) -> None:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as exc:
        raise DataError(f"key: it is no public key in PEM: {exc}") from exc
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_KEY:
        raise DataError(f"key: it must be a public RSA key of {_LEAST_KEY} bits or more")


def _check_key_set(document: str) -> None:
    from .keys import KeysError, read_key_set  # jwcrypto takes a while to import, and few clients need it

    try:
        read_key_set(document)
    except KeysError as exc:
        raise DataError(f"jwks: {exc}") from exc


def _without_port(uri: str) -> str:
    """The URI, without its port where the port does not matter: http to this machine (RFC 8252, section 7.3)."""
    try:
        parts = urlsplit(uri)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        is_plain = parts.netloc in (host, f"{host}:{parts.port}")
    except ValueError:  # no address, or no port
        return uri
    origin = f"http://{parts.netloc}"
    is_ours = uri.startswith(origin) and parts.hostname in LOOPBACK and is_plain
    return f"http://{host}:{uri.removeprefix(origin)}" if is_ours else uri
