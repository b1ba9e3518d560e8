"""The shapes of replies: XML from templates, the little HTML of status pages, and refusals.

Refusals of the login protocol are HTTP 200 with words in the body, as clients of the real broker
expect; the reason for developers is in the X-Spine-Stub-Reason header.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from flask import Flask, Request, Response, current_app, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from .errors import BrokerError, InvalidInput, Unavailable
from .gpobject import Message
from .visit import Visit

REASON_HEADER = "X-Spine-Stub-Reason"
GAS_VERSION = "5.2.7"

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_BAD_REQUEST = 400
_UNAVAILABLE = 503


def install(app: Flask) -> None:
    """Give the application the filters of the templates, and read all templates ahead."""
    app.jinja_env.filters["text"] = _text
    app.jinja_env.filters["instant"] = _instant
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)
    app.before_request(_check_host)
    app.after_request(_set_headers)


def xml(visit: Visit, template: str, **values: Any) -> Response:
    """Fill a template with these values and those that all of them need."""
    base = base_url(visit.request)
    hostname = urlsplit(base).hostname or ""
    # Not render_template: that brings the request and signals along, which these templates do not need.
    body = current_app.jinja_env.get_template(template).render(
        base=base, hostname=hostname, server_ip=hostname, gas_version=GAS_VERSION, **values
    )
    return Response(body, content_type="text/xml; charset=UTF-8")


def status(words: str) -> Response:
    """The page that logout and role selection answer with; clients look for OK in it."""
    return Response(f"<HTML><STATUS>{words}</STATUS></HTML>", content_type="text/html")


def plain(words: str, code: int = 200) -> Response:
    """Answer in plain text."""
    return Response(words + "\n", code, content_type="text/plain; charset=UTF-8")


def refusal(exc: BrokerError) -> Response:
    """Say the wire's words to the client, and the reason to its developer."""
    Visit.current().note(reason=exc.reason, detail=exc.detail)
    reply = status(exc.words)
    reply.headers[REASON_HEADER] = exc.reason
    if isinstance(exc, Unavailable):
        reply.status_code = _UNAVAILABLE
    return reply


def http_error(exc: HTTPException) -> Response:
    """Answer what is wrong with the HTTP itself: no such page, wrong method, too large."""
    reply = plain(exc.name, exc.code or _BAD_REQUEST)
    for header, value in exc.get_headers():
        if header.lower() == "allow":
            reply.headers[header] = value
    return reply


def echo(message: Message) -> dict[str, str]:
    """The parameters that a reply repeats from its request."""
    return {
        "log_session_id": message.get("log_session_id", ""),
        "app_url": message.get("app_url", ""),
        "auth_method": message.get("auth_method", "3"),
    }


def base_url(request: Request) -> str:
    """Where the client reached us, for the absolute addresses that clients need."""
    return f"{request.scheme}://{request.host}"


def _check_host() -> None:
    """Refuse a Host that cannot be in the addresses which replies are full of."""
    if not _HOST.fullmatch(request.host):
        raise InvalidInput("bad-host")


def _text(value: str) -> Markup:
    """Escape what must be in XML text, and keep it on one line; quotes stay as they are."""
    return Markup(escape(" ".join(value.split())))  # noqa: S704 - this is the escaping


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _set_headers(reply: Response) -> Response:
    reply.headers["Cache-Control"] = "no-store"
    reply.headers["X-Content-Type-Options"] = "nosniff"
    reply.headers["Server"] = "spine_stub"
    return reply
