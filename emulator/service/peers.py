"""Who is at the other end of a connection: only the user who runs the emulator may move its cards.

A socket file tells by itself. A TCP connection of this PC is looked up in the kernel's tables, proc(5):
loopback keeps other computers out, but no other user of this one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")
"""struct ucred, unix(7): process, user and group id."""
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _USER, _INODE = 1, 2, 7, 9
_MAPPED = bytes(10) + b"\xff\xff"
"""An IPv4 address inside an IPv6 one (RFC 4291, section 2.5.5.2), as some clients have it."""


def is_own_unix(connection: socket.socket) -> bool:
    """Whether the other end of a Unix connection is a process of this user."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1]) == os.geteuid()


def is_own_tcp(here: tuple[str, int], there: tuple[str, int]) -> bool:
    """Whether the other end of a TCP connection over IPv4 loopback is an open socket of this user.

    `here` is this end's address and port, `there` the other's. A socket that was closed belongs to nobody.
    """
    wanted = {tuple(_written(form, *end) for end in (there, here)) for form in (b"", _MAPPED)}
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for row in map(str.split, table.read_text().splitlines()[1:]):
                if (row[_LOCAL], row[_REMOTE]) in wanted and row[_INODE] != "0":
                    return int(row[_USER]) == os.geteuid()
    return False


def _written(prefix: bytes, address: str, port: int) -> str:
    """Return an address as the tables have it: 32-bit words in the processor's byte order, in hex."""
    octets = prefix + socket.inet_aton(address)
    words = (int.from_bytes(octets[place : place + 4], sys.byteorder) for place in range(0, len(octets), 4))
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
