"""Who may use the console: the user who started the broker, and no page of another site on their behalf.

There are no cookies and no passwords. What protects is: loopback only, and there only sockets of the
same user; a Host header that names loopback, so that no other name can be pointed here (DNS
rebinding); changes by POST only, and only from our own pages or from a program, which is known by
JSON that no foreign form can send.
"""

from __future__ import annotations

import ipaddress
import re

from flask import Response, request

from ..config import LOOPBACK
from ..web import replies
from .owner import is_owner, plain

_LOCAL_HOST = re.compile(
    rf"({'|'.join(re.escape(f'[{name}]' if ':' in name else name) for name in LOOPBACK)})(:[0-9]{{1,5}})?"
)
_POLICY = "default-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def check(prefix: str) -> Response | None:
    """Return a refusal for a request to the console that must not be answered."""
    if not request.path.startswith(prefix):
        return None
    problem = _wrong_place() or _foreign()
    return replies.plain(f"The console says no: {problem}.", 403) if problem else None


def protect(prefix: str, reply: Response) -> Response:
    """Tell browsers to keep other sites away from the console's pages."""
    if request.path.startswith(prefix):
        reply.headers["Content-Security-Policy"] = _POLICY
        reply.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        reply.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        reply.headers["Referrer-Policy"] = "same-origin"  # with no-referrer browsers send Origin: null
    return reply


def _wrong_place() -> str:
    try:
        is_here = plain(ipaddress.ip_address(request.remote_addr or "")).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        return "it is for this machine only"
    if not _LOCAL_HOST.fullmatch(request.host):
        return "use https://127.0.0.1 or https://localhost to reach it"
    return "" if _is_owner() else "it is for the user who started the broker"


def _is_owner() -> bool:
    """Whether the same user asks; no when the web server does not say from which port."""
    port = request.environ.get("REMOTE_PORT")
    return port is not None and is_owner(str(request.remote_addr), int(port), int(request.environ["SERVER_PORT"]))


def _foreign() -> str:
    """What is wrong with where the request comes from."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if request.method in ("GET", "HEAD"):
        is_visit = request.headers.get("Sec-Fetch-Mode") == "navigate"
        return "another site asked" if site in ("cross-site", "same-site") and not is_visit else ""
    if site not in (None, "same-origin"):
        return "another site asked"
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        return "another site asked"
    if site is None and origin is None and request.mimetype != "application/json":
        return "a program must send application/json"
    return ""
