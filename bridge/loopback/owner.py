"""Whose the other end of a TCP connection on this PC is, as the kernel's tables say: proc_net(5).

A loopback port is everybody's: any user's program can connect to one, and take one that is free.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]
"""Host, as an address in text, and port; what an IPv6 socket adds to them does not matter here."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING = "0A"


@dataclass(frozen=True)
class _Socket:
    """One line of a table, of a socket that some process has: addresses are in the kernel's words, 0100007F:1F90."""

    local: str
    remote: str
    state: str
    uid: int


def owner_of_connection(near: Address, far: Address) -> int | None:
    """Return the uid of the socket that `far` names, of a connection whose end here is `near`; None when unknown."""
    ends = set(zip(_forms(far), _forms(near), strict=True))
    return next((each.uid for each in _sockets() if (each.local, each.remote) in ends), None)


def owner_of_listener(port: int) -> int | None:
    """Return the uid of whoever listens on a port of this PC; None when nobody does."""
    ending = f":{port:04X}"
    return next((each.uid for each in _sockets() if each.state == _LISTENING and each.local.endswith(ending)), None)


def _sockets() -> Iterator[_Socket]:
    for table in _TABLES:
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                _, local, remote, state, _, _, _, uid, _, inode, *_ = line.split()
                if inode != "0":  # closed by its process: the table then shows root as its owner
                    yield _Socket(local, remote, state, int(uid))


def _forms(address: Address) -> tuple[str, ...]:
    """An address as the tables write it: 32-bit words of the machine's own byte order, then the port.

    An IPv4 address stands in both tables, as itself and inside an IPv6 address (RFC 4291, section 2.5.5.2).
    """
    host = ipaddress.ip_address(address[0])
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    plain = mapped or host
    hosts = [plain, ipaddress.ip_address(f"::ffff:{plain}")] if plain.version == 4 else [plain, plain]
    return tuple(f"{_words(each.packed)}:{address[1]:04X}" for each in hosts)


def _words(packed: bytes) -> str:
    return "".join(f"{word:08X}" for (word,) in struct.iter_unpack("=I", packed))
