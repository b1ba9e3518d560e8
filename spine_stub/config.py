"""What the broker can be told, in one place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""What this machine is called by those on it: in TLS certificates, and by the console's guests."""

BRIDGE_PORT = 8037
"""Where the agent's bridge answers pages on this machine, unless the application is told otherwise."""

REALM = "/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare"
"""The path of CIS2's real issuer; everything that applications ask it for is below it."""

Clock = Callable[[], datetime]
"""Gives the time now, timezone-aware; no other part of the broker asks for the time of day."""

RandomBytes = Callable[[int], bytes]
"""Gives that many unpredictable bytes."""

KEPT_CERTIFICATES = 500
"""How many certificates stay parsed and their keys loaded: the same cards come again and again."""

CLOCK_SKEW = timedelta(seconds=5)
"""How far in the future something may be: brokers that share a DIR need not agree to the second."""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def system_clock() -> datetime:
    """Give the time of day: what certificates and people's dates are judged by."""
    return datetime.fromtimestamp(time.time(), UTC)


def steady_clock() -> Clock:
    """A clock that starts with the time of day and then goes on evenly, also while the PC sleeps.

    Sessions and challenges are judged by it, so that setting the PC's clock neither lengthens nor ends them.
    """
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return lambda: datetime.fromtimestamp(booted + time.clock_gettime(time.CLOCK_BOOTTIME), UTC)


@dataclass(frozen=True)
class Config:
    """The broker's settings. Session times are what real replies carry (docs/protocol.md 4)."""

    data: Path
    directory: str = ""
    """Where people are looked up: empty for DIR/people.toml, or an ldap:// address."""
    directory_user: str = ""
    """The DN to bind with; empty to ask anonymously."""
    directory_password: Path | None = None
    """A file with the password of that DN."""
    path_prefix: str = ""
    """What the paths of clients begin with, such as /Prod behind a gateway; those of console and /healthz do not."""
    store: str = "sqlite"
    """Where sessions are kept: sqlite (a file in DIR), memory, or a redis:// address."""
    trust: tuple[Path, ...] = ()
    """PEM files with other CAs whose certificates sign in, and their revocation lists."""
    allow_sha1: bool = False
    challenge_age: timedelta = timedelta(minutes=5)
    max_session: timedelta = timedelta(minutes=600)
    idle: timedelta = timedelta(minutes=600)
    control_token: Path | None = None
    """A file with the token by which programs elsewhere use the console's API; none keeps it to this machine."""
    bridge_port: int = BRIDGE_PORT
    """Where on this machine the agent's bridge answers pages."""
    max_body: int = 64 * 1024
    """Largest request body in bytes; a real answer with its certificates is under 10,000."""
    cis2_issuer: str = ""
    """CIS2's issuer as text; empty for where the client reached us."""
    any_client: bool = False
    """Whether applications that are not in clients.toml may sign people in too, on this machine."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts beside this machine that CIS2 may call: for key sets, and to log people out."""

    @property
    def asks_others(self) -> bool:
        """Whether requests wait for other servers: an LDAP directory, or redis."""
        return bool(self.directory) or self.store not in ("sqlite", "memory")
