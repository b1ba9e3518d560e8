"""Whose program is on the other end of a TCP connection of this machine (proc_net(5), /proc/net/tcp).

Every local user reaches a port on loopback; the kernel knows which of them has opened a connection.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
"""In all other states the socket may have no owner any more, which the table shows as root."""


class End(NamedTuple):
    """One end of a connection: an address, IPv4 where it is IPv4 in IPv6, and a port."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int


def is_owner(client: str, client_port: int, server_port: int) -> bool:
    """Whether the socket that a local client connected with belongs to the user of this process."""
    end = End(plain(ipaddress.ip_address(client)), client_port)
    return os.geteuid() in {
        user for local, remote_port, user in _sockets() if (local, remote_port) == (end, server_port)
    }


def plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address in an IPv6 address that holds one."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _sockets() -> Iterator[tuple[End, int, int]]:
    """Each established socket of this machine: its own end, the port of the other one, and its user's id."""
    for table in _TABLES:
        for line in table.read_text().splitlines()[1:]:
            _, local, remote, state, _, _, _, user, *_ = line.split()
            if state == _ESTABLISHED:
                address, _, port = local.partition(":")
                yield End(_address(address), int(port, 16)), int(remote.rpartition(":")[2], 16), int(user)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address, which is in 32-bit words of the machine's own byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return plain(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))
