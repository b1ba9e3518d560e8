"""Back to the application: with a code, or with an error (RFC 6749, sections 4.1.2 and 4.1.2.1).

Only for an AuthorizationRequest, whose client and redirect are known to belong together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response

from ...web.replies import REASON_HEADER
from ..identity.sessions import Session
from ..tokens.codes import AuthorizationRequest, Grant
from .messages import printable

if TYPE_CHECKING:
    from ..provider import Provider

_ALLOWED = frozenset(map(chr, range(0x20, 0x7F))) - set('"\\')
"""What a description may hold: RFC 6749, section 4.1.2.1."""
_SEEN = ("code", "state", "error", "error_description")


def grant(provider: Provider, request: AuthorizationRequest, session: Session, role_id: str = "") -> Response:
    """Send the browser back with a code for this session, and for the role that was chosen, if one was."""
    if role_id:
        session.roles.pop(request.client_id, None)  # so that the role chosen last is the last one
        session.roles[request.client_id] = role_id
    given = Grant(request, session, session.authentication, role_id)
    checked = provider.server.consent(request.parameters)
    _, _, headers = checked.create_authorization_response(request.redirect_uri, given)
    return _redirect(provider, request, dict(headers)["Location"])


def refuse(provider: Provider, request: AuthorizationRequest, error: str, description: str) -> Response:
    """Send the browser back with an error."""
    said = "".join(c if c in _ALLOWED else "?" for c in description)
    made = OAuth2Error(said, error=error, redirect_uri=request.redirect_uri, state=request["state"])
    _, _, headers = made()
    reply = _redirect(provider, request, dict(headers)["Location"], description)
    reply.headers[REASON_HEADER] = printable(description)
    return reply


def _redirect(provider: Provider, request: AuthorizationRequest, location: str, refused: str = "") -> Response:
    added: list[tuple[str, str]] = parse_qsl(urlsplit(location).query)
    got: dict[str, Any] = {name: value for name, value in added if name in _SEEN}
    provider.journal.add(
        "authorize" if refused else "code",
        sign_in=request.sign_in,
        client_id=request.client_id,
        sent=request.parameters if refused else None,
        got={"status": 302, "redirect_uri": request.redirect_uri, **got},
        refused=refused,
    )
    return Response("", 302, {"Location": location, "Referrer-Policy": "no-referrer"})
