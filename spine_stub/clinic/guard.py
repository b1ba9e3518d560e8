"""What every request to the application must be, and what every reply tells the browser.

The visitor's cookie goes along with whatever any page sends to this address, SameSite=Strict or not, because
all ports of this machine are one site. So what changes something must come from a page of this origin.
"""

from __future__ import annotations

from typing import Any

from flask import Request, Response

from ..errors import DataError
from ..web import request
from ..web.replies import HOST, keep_to_its_site

_SAFE = ("GET", "HEAD")
_OTHER_SITES = ("cross-site", "same-site")
API = "/ers-api/"
"""What begins so is for programs: it takes no cookie, and wants a header that no form can send."""


def problem(asked: Request) -> str:
    """Say what is wrong with where a request comes from; nothing when all is well."""
    if not HOST.fullmatch(asked.host):
        return "this is no name of a server"
    if asked.path.startswith(API):
        return ""
    site, origin = asked.headers.get("Sec-Fetch-Site"), asked.headers.get("Origin")
    if asked.method in _SAFE:
        is_visit = (
            asked.headers.get("Sec-Fetch-Mode") == "navigate" and asked.headers.get("Sec-Fetch-Dest") == "document"
        )
        return "another site asked" if site in _OTHER_SITES and not is_visit else ""
    return "" if origin == f"{asked.scheme}://{asked.host}" else "another site asked"


def json_object(asked: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body; an empty one when there is none."""
    try:
        return request.json_object(asked)
    except DataError:
        return {}


def protect(reply: Response, bridge: str) -> Response:
    """Let the page load and ask nothing but this server and the bridge; keep it out of frames and caches."""
    reply.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    reply.headers["X-Content-Type-Options"] = "nosniff"
    reply.headers["Cache-Control"] = "no-store"
    return keep_to_its_site(
        reply,
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' {bridge}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
