"""The bridge's settings: /etc/lanyard/bridge.toml, and over it $XDG_CONFIG_HOME/lanyard/bridge.toml.

    origins = ["https://app.example"]       # pages that may ask for the ticket; none until they are named here

    extension_ids = ["abcdefghijklmnopabcdefghijklmnop"]    # for a copy of the extension with a key of your own

    [locked]                                # in /etc only: holds against the user's file
    origins = ["https://app.example"]

A field of Settings is a key of the file; its metadata says how a value is read, and whether it counts in /etc only.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import SettingsError
from .registrations import Client, read_broker, read_clients, read_path

SYSTEM_FILE = Path("/etc/lanyard/bridge.toml")
EXTENSION_IDS = ("kgienffckdgejaliddjgokkimmbfagop", "lanyard@lanyard.example")
"""What bridge/extension is called: in Chromium, where it follows from the `key` in its manifest, and in Firefox."""
MOST_ORIGIN = 255

_EXTENSION_ID = re.compile(r"[a-p]{32}|[\w.-]*@[\w.-]+|\{[0-9a-f-]{36}\}")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:]+\])")
_DEFAULT_PORT = {"https": 443, "http": 80}


def parse_origin(text: str) -> str:
    """Return a web origin as browsers write it: scheme, host in lower case, and the port unless it is the usual one.

    Https only; http on this PC itself, which browsers trust as much (W3C Secure Contexts, section 3.1). Nothing may
    follow the port. Raises ValueError with a sentence that ends without a full stop.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    scheme, host = parts.scheme, _host(parts.netloc)
    if "://" not in text:
        raise ValueError("has no scheme: write https:// before it")
    if len(text) > MOST_ORIGIN or text.lower() != f"{scheme}://{parts.netloc}".lower():
        raise ValueError("is more than scheme, host and port")
    if not _HOST.fullmatch(host):
        raise ValueError("has no proper host name (write international names as xn--...)")
    if scheme != "https" and not (scheme == "http" and host in _LOOPBACK):
        raise ValueError("is not https")
    return f"{scheme}://{host}" + (f":{port}" if port not in (None, _DEFAULT_PORT[scheme]) else "")


def _host(netloc: str) -> str:
    return re.sub(r":\d*$", "", netloc).lower()


def read_origins(value: object) -> frozenset[str]:
    """Return the origins that a list names. Raises ValueError."""
    origins = set()
    for each in read_texts(value):
        try:
            origins.add(parse_origin(each))
        except ValueError as error:
            raise ValueError(f'names "{each}", which {error}') from None
    return frozenset(origins)


def read_texts(value: object) -> tuple[str, ...]:
    """Return a list's texts. Raises ValueError when it is no list of texts."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("is not a list of texts")
    return tuple(value)


def read_extension_ids(value: object) -> tuple[str, ...]:
    """Return a list's ids of extensions, as Chromium or Firefox has them. Raises ValueError."""
    ids = read_texts(value)
    for each in ids:
        if not _EXTENSION_ID.fullmatch(each):
            raise ValueError(f'names "{each}", which is no id of an extension')
    return ids


def read_port(value: object) -> int:
    """Return the number of a port that any user may take. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1024 <= value <= 65535:
        raise ValueError("is not a whole number from 1024 to 65535")
    return value


def read_bool(value: object) -> bool:
    """Return true or false. Raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def setting(read: Callable[[object], Any], *, system_only: bool = False, default: Any) -> Any:
    """Return a field of Settings. `read` makes its value of what TOML has, and raises ValueError otherwise."""
    return field(default=default, metadata={"read": read, "system_only": system_only})


@dataclass(frozen=True)
class Settings:
    """What is configured. `places` says from which file each value that was set comes."""

    origins: frozenset[str] = setting(read_origins, default=frozenset())
    extension_ids: tuple[str, ...] = setting(read_extension_ids, default=EXTENSION_IDS)
    port: int = setting(read_port, default=8037)
    """Of this PC, where pages ask over HTTP."""
    credential_management: bool = setting(read_bool, default=False)
    """Whether pages that were written for NHS Credential Management are answered too."""
    allow_sha1: bool = setting(read_bool, system_only=True, default=False)
    """Whether these pages may have SHA-1 signed (RS1)."""
    clients: tuple[Client, ...] = setting(read_clients, system_only=True, default=())
    """Programs that may ask who is signed in by a link."""
    broker: str = setting(read_broker, system_only=True, default="")
    broker_ca: str = setting(read_path, system_only=True, default="")
    places: Mapping[str, Path] = field(default_factory=dict, compare=False)

    def allows(self, origin: object) -> bool:
        """Return whether a page of this origin, as the browser writes it, may ask."""
        return isinstance(origin, str) and origin in self.origins


_FIELDS = {each.name: each for each in dataclasses.fields(Settings) if each.metadata}


def load(environment: Mapping[str, str] = os.environ, system_file: Path = SYSTEM_FILE) -> Settings:
    """Read both files, where they are. Raises SettingsError naming file and key."""
    system = _read(system_file)
    locked = system.pop("locked", {})
    if not isinstance(locked, dict):
        raise SettingsError(f"{system_file}: locked is not a table.")
    users_file = user_file(environment)
    layers = [(system, system_file), (_read(users_file), users_file), (locked, system_file)]
    values: dict[str, Any] = {}
    places: dict[str, Path] = {}
    for layer, path in layers:
        for name, value in layer.items():
            values[name], places[name] = _value(name, value, path, is_system=path == system_file), path
    return Settings(**values, places=places)


def user_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's own file is, or would be."""
    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home, "lanyard", "bridge.toml")


def _value(name: str, value: object, path: Path, *, is_system: bool) -> Any:
    if name not in _FIELDS:
        raise SettingsError(f"{path}: there is no setting {name}.")
    about = _FIELDS[name].metadata
    if about["system_only"] and not is_system:
        raise SettingsError(f"{path}: {name} counts in {SYSTEM_FILE} only.")
    try:
        return about["read"](value)
    except ValueError as error:
        raise SettingsError(f"{path}: {name} {error}.") from None


def _read_text(path: Path) -> str:
    """Return the text of a file that is one: a pipe or a device would be waited for. Raises OSError, UnicodeError."""
    with open(path, encoding="utf-8-sig", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return file.read()


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read_text(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.") from None
