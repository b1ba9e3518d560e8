"""Brings an answer to the program: to its port on this PC, or by the desktop to whoever has its scheme.

On loopback the answer goes there directly, and not a byte of it before the kernel has said that this user has the other
end of the very connection: any user can listen at a port, also at one that this user has at another address.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from ..errors import BridgeError
from ..loopback.owner import owner_of_connection
from ..registrations import is_loopback

_SECONDS = 10
_PAUSE_SECONDS = 0.02


class NotDelivered(BridgeError):
    """The program cannot be given its answer."""


def deliver(uri: str, answer: Mapping[str, str]) -> None:
    """Bring an answer to a registered redirect; raises NotDelivered."""
    parts = urlsplit(uri)
    query = "&".join(filter(None, (parts.query, urlencode(answer))))
    whole = parts._replace(query=query)
    if is_loopback(parts):
        _send(parts.hostname or "", parts.port or 80, f"{whole.path or '/'}?{query}")
    else:
        _open(whole.geturl())


def _send(host: str, port: int, target: str) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.connect()
        owner = _owner(connection.sock)
        if owner is None:
            raise NotDelivered("The program that asked does not take the answer.")
        if owner != os.getuid():
            raise NotDelivered(f"Another user's program listens on port {port} of this PC: it was told nothing.")
        connection.request("GET", target)
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        raise NotDelivered("The program that asked does not take the answer.") from None
    finally:
        connection.close()


def _owner(connection: socket.socket) -> int | None:
    """Return whose the other end is: nobody's until the program accepts it, which it has a while for."""
    near, far = connection.getsockname()[:2], connection.getpeername()[:2]
    deadline = time.monotonic() + _SECONDS
    while (owner := owner_of_connection(near, far)) is None and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return owner


def _open(uri: str) -> None:
    """Have the desktop open it. Others see xdg-open's arguments; a code is of no use without PKCE's verifier."""
    try:
        subprocess.run(["xdg-open", uri], check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        raise NotDelivered("This desktop does not know the program that asked (xdg-open failed).") from None
