"""The shapes of replies: XML, the little HTML of status pages, and refusals.

Refusals of the login protocol are HTTP 200 with words in the body, as clients of the real broker
expect; the reason for developers is in the X-Spine-Stub-Reason header.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from flask import Response
from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from ..errors import BrokerError, Unavailable
from .request import BrokerRequest, current

_log = logging.getLogger("spine_stub")

REASON_HEADER = "X-Spine-Stub-Reason"

HEADERS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Server", "spine_stub"))
"""What holds of every reply."""

HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
"""What a Host header may be (RFC 9112, section 3.2)."""
_PAGES = Path(__file__).parent / "static"
"""The style sheet of pages for people, and the script that asks the agent; whoever has pages has more of their own."""
_ASSETS = {".css": "text/css; charset=UTF-8", ".js": "text/javascript; charset=UTF-8"}
_BAD_REQUEST = 400
_UNAVAILABLE = 503


def xml(body: str) -> Response:
    """Answer with XML."""
    return Response(body, content_type="text/xml; charset=UTF-8")


def status(words: str) -> Response:
    """The page that logout and role selection answer with; clients look for OK in it."""
    return Response(f"<HTML><STATUS>{words}</STATUS></HTML>", content_type="text/html")


def plain(words: str, code: int = 200) -> Response:
    """Answer in plain text."""
    return Response(words + "\n", code, content_type="text/plain; charset=UTF-8")


def asset(name: str, own: Path) -> Response:
    """Serve a style sheet or a script, from a folder of one's own or of those that all pages use; raises NotFound."""
    found = next(
        (path for folder in (own, _PAGES) if (path := folder / name).suffix in _ASSETS and path.exists()), None
    )
    if found is None:
        raise NotFound
    return Response(found.read_bytes(), content_type=_ASSETS[found.suffix])


def keep_to_its_site(reply: Response, policy: str) -> Response:
    """Let a page for people load only what this Content-Security-Policy says, and keep it from other sites."""
    reply.headers["Content-Security-Policy"] = policy
    reply.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    reply.headers["Referrer-Policy"] = "same-origin"  # with no-referrer browsers send Origin: null
    return reply


def failure(exc: Exception) -> Response:
    """Answer whatever was raised on the way to a reply: the only place where an error becomes one."""
    if isinstance(exc, BrokerError):
        return refusal(exc)
    if isinstance(exc, HTTPException):
        return _http_error(exc)
    _log.error("unexpected %s", type(exc).__name__, exc_info=exc)
    return plain("Internal error", 500)


def refusal(exc: BrokerError) -> Response:
    """Say the wire's words to the client, and the reason to its developer."""
    current().note(reason=exc.reason, detail=exc.detail)
    reply = status(exc.words)
    reply.headers[REASON_HEADER] = exc.reason
    if isinstance(exc, Unavailable):
        reply.status_code = _UNAVAILABLE
    return reply


def _http_error(exc: HTTPException) -> Response:
    """Answer what is wrong with the HTTP itself: no such page, wrong method, too large."""
    reply = plain(exc.name, exc.code or _BAD_REQUEST)
    for header, value in exc.get_headers():
        if header.lower() == "allow":
            reply.headers[header] = value
    return reply


def check_host(asked: BrokerRequest) -> None:
    """Refuse a Host that cannot be in the addresses which replies are full of (RFC 9112, 3.2); raises BadRequest."""
    if not HOST.fullmatch(asked.host):
        asked.note(reason="bad-host")
        raise BadRequest
