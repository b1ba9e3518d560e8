"""Who may use the console: the user who started the broker, and no page of another site on their behalf.

There are no cookies and no passwords. What protects is: loopback only, and there only sockets of the
same user; a Host header that names loopback, so that no other name can be pointed here (DNS
rebinding); changes by POST only, and only from our own pages or from a program, which is known by
JSON that no foreign form can send. The API, and no page, is open to others who have the control token
(bearer.py), which no other site's page knows.
"""

from __future__ import annotations

import os
import re
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from flask import Response, request

from ..web import replies
from ..web.endpoints import CONTROLS
from ..web.request import current
from . import bearer

API = f"{CONTROLS}api/"
"""What begins so is for programs."""
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_POLICY = "default-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

_SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""Where the kernel says which user opened a connection: proc_net(5)."""
Address = tuple[str, int]
"""One end of a connection: an address in text, and the port."""
_ESTABLISHED = "01"
"""In all other states the socket may have no owner any more, which the table shows as root."""


def check(token: str = "") -> Response | None:
    """Return a refusal for a request to the console that must not be answered; `token` opens the API to others."""
    has_token = request.path.startswith(API) and bearer.is_given(token, request.headers.get("Authorization"))
    problem = ("" if has_token else _wrong_place()) or _foreign()
    return replies.plain(f"The console says no: {problem}.", 403) if problem else None


def protect(reply: Response) -> Response:
    """Tell browsers to keep other sites away from the console's pages."""
    reply.headers.pop("Cache-Control", None)  # Flask gives its static files one; every reply gets ours
    reply.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return replies.keep_to_its_site(reply, _POLICY)


def _wrong_place() -> str:
    try:
        is_here = _plain(ip_address(request.remote_addr or "")).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        return "it is for this machine only"
    if not _LOCAL_HOST.fullmatch(request.host):
        return "use https://127.0.0.1 or https://localhost to reach it"
    return "" if _is_owner() else "it is for the user who started the broker"


def _is_owner() -> bool:
    """Whether the same user asks; no when the web server does not say between which two addresses."""
    environ = request.environ
    if "REMOTE_PORT" not in environ or "SERVER_ADDR" not in environ:
        return False
    far = (str(request.remote_addr), int(environ["REMOTE_PORT"]))
    return is_owner(far, (environ["SERVER_ADDR"], int(environ["SERVER_PORT"])))


def _foreign() -> str:
    """What is wrong with where the request comes from."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if request.method in ("GET", "HEAD"):
        is_visit = request.headers.get("Sec-Fetch-Mode") == "navigate"
        return "another site asked" if site in ("cross-site", "same-site") and not is_visit else ""
    if current().is_foreign:
        return "another site asked"
    if site is None and origin is None and request.mimetype != "application/json":
        return "a program must send application/json"
    return ""


def is_owner(client: Address, server: Address) -> bool:
    """Whether the socket that a local client connected with belongs to the user of this process.

    Both ends count as a whole: two users' connections can have the same port here, to different addresses of this PC.
    """
    wanted = set(zip(_forms(client), _forms(server), strict=True))
    lines = [line for table in _SOCKETS if table.exists() for line in table.read_text().splitlines()[1:]]
    for line in lines:
        _, local, remote, state, _, _, _, user, *_ = line.split()
        if (local, remote) in wanted and state == _ESTABLISHED:
            return int(user) == os.geteuid()
    return False


def _forms(end: Address) -> list[str]:
    """An end of a connection as the tables have it; one of IPv4 stands in both of them, as itself and inside IPv6."""
    address = _plain(ip_address(end[0]))
    forms = [address, ip_address(f"::ffff:{address}")] if address.version == 4 else [address, address]
    return [f"{_as_in_table(form)}:{end[1]:04X}" for form in forms]


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address in an IPv6 address that holds one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _as_in_table(address: IPv4Address | IPv6Address) -> str:
    """An address in 32-bit words of the machine's own byte order."""
    return "".join(f"{word:08X}" for (word,) in struct.iter_unpack("=I", address.packed))
