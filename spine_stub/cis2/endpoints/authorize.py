"""The authorization endpoint: who asks, who is signed in to it, which role, and back with a code.

Until client and redirect are known to belong together nothing is sent to the redirect: what is wrong then is said on a
page, so that nobody is led anywhere by an address of ours.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError, OAuth2Error
from flask import Response

from ...web.replies import REASON_HEADER
from .. import REALM, sign_in
from ..identity import assurance
from ..identity.sessions import COOKIE, Authentication, Session
from ..tokens.codes import AuthorizationRequest, Grant
from .messages import single
from .server import printable

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Arranged, Provider


_RETURNED = ("code", "state", "error", "error_description")


def authorize(provider: Provider, asked: BrokerRequest) -> Response:
    """Answer an authorization request: at once, with the sign-in page, or with an error at the redirect."""
    parameters, problem = single(asked.values)
    client = provider.clients.get(parameters.get("client_id", ""))
    redirect_uri = parameters.get("redirect_uri", "")
    request = AuthorizationRequest(secrets.token_hex(8), client.id if client else "", redirect_uri, parameters)
    if client is None:
        return _refused_here(provider, request, asked, "client_id is not one that is registered")
    if not client.may_redirect_to(redirect_uri) or "redirect_uri" in problem:
        return _refused_here(provider, request, asked, "redirect_uri is not one of those registered for this client")
    try:
        if problem:
            raise InvalidRequestError(problem)
        if parameters.get("response_type") != "code":
            raise OAuth2Error("The response type is not code", error="unsupported_response_type")
        provider.server.consent(parameters)
    except OAuth2Error as exc:
        return refuse(provider, request, exc)
    provider.journal.add("authorize", sign_in=request.sign_in, client_id=client.id, sent=parameters)
    return _answer(provider, asked, request)


def _answer(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest) -> Response:
    """Go on with whoever is signed in to this request; else show the page."""
    arranged = provider.take_arranged(request.client_id)
    if arranged:
        return _as_arranged(provider, asked, request, arranged)
    if request["login_hint"] and provider.person(request["login_hint"]):
        who = Authentication(request["login_hint"], provider.clock(), *assurance.usual(request["acr_values"]))
        return signed_in(provider, asked, request, provider.sessions.open(who))
    session = provider.sessions.of_cookie(asked.cookies.get(COOKIE))
    wanted = assurance.decide(request.parameters, session.authentication if session else None, provider.clock())
    if wanted is assurance.Decision.REFUSE:
        return refuse(provider, request, OAuth2Error("Nobody is signed in", error="login_required"))
    if session and wanted is assurance.Decision.GO_ON:
        return signed_in(provider, asked, request, session)
    key = secrets.token_urlsafe(24)
    provider.open.put(key, request)
    provider.journal.add("page", sign_in=request.sign_in, client_id=request.client_id)
    return sign_in.page(provider, asked, key, request)


def _as_arranged(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, arranged: Arranged
) -> Response:
    if provider.person(arranged.uid) is None:
        return refuse(provider, request, AccessDeniedError("The person of the arranged sign-in is not there"))
    who = Authentication(arranged.uid, provider.clock(), arranged.mechanism, arranged.aal)
    return signed_in(provider, asked, request, provider.sessions.open(who), arranged.role_id)


def signed_in(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, session: Session, role_id: str = ""
) -> Response:
    """Go on once somebody is signed in: to the role screen, or straight back with a code. Sets the session's cookie."""
    person = provider.person(session.uid)
    if person is None:
        return refuse(provider, request, AccessDeniedError("The person is not there any more"))
    asked.note(uid=person.uid)
    role = role_id or sign_in.known_role(request, session, person)
    if role is None:
        key = secrets.token_urlsafe(24)
        provider.open.put(key, request)
        reply = sign_in.role_screen(provider, asked, key, request, session)
    else:
        reply = finish(provider, request, session, role)
    return _with_cookie(asked, reply, session)


def finish(provider: Provider, request: AuthorizationRequest, session: Session, role_id: str = "") -> Response:
    """Send the browser back with a code for the role that was chosen."""
    if role_id:
        session.roles[request.client_id] = role_id
    grant = Grant(request, session, session.authentication, role_id)
    _, _, headers = provider.server.consent(request.parameters).create_authorization_response(
        request.redirect_uri, grant
    )
    return _redirect(provider, request, dict(headers)["Location"])


def refuse(provider: Provider, request: AuthorizationRequest, error: OAuth2Error) -> Response:
    """Send the browser back with an error (RFC 6749, section 4.1.2.1)."""
    error.redirect_uri, error.state = request.redirect_uri, request["state"]
    _, _, headers = error()
    reply = _redirect(provider, request, dict(headers)["Location"], error.description or error.error)
    reply.headers[REASON_HEADER] = printable(error.description or error.error)
    return reply


def _redirect(provider: Provider, request: AuthorizationRequest, location: str, refused: str = "") -> Response:
    added = parse_qsl(urlsplit(location).query)
    got: dict[str, Any] = {name: value for name, value in added if name in _RETURNED}
    endpoint = "authorize" if refused else "code"
    provider.journal.add(
        endpoint,
        sign_in=request.sign_in,
        client_id=request.client_id,
        sent=request.parameters if refused else None,
        got={"status": 302, "redirect_uri": request.redirect_uri, **got},
        refused=refused,
    )
    return Response("", 302, {"Location": location, "Referrer-Policy": "no-referrer"})


def _refused_here(provider: Provider, request: AuthorizationRequest, asked: BrokerRequest, why: str) -> Response:
    provider.journal.add(
        "authorize", client_id=request["client_id"], sent=request.parameters, got={"status": 400}, refused=why
    )
    asked.note(reason=why)
    reply = sign_in.error_page(why)
    reply.headers[REASON_HEADER] = printable(why)
    return reply


def _with_cookie(asked: BrokerRequest, reply: Response, session: Session) -> Response:
    path, is_https = asked.path_prefix + REALM, asked.scheme == "https"
    reply.set_cookie(COOKIE, session.cookie, path=path, secure=is_https, httponly=True, samesite="Lax")
    return reply
