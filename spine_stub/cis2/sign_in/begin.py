"""Who is signed in to a request: whom a test has arranged, who is signed in already, or who is chosen on the page."""

from __future__ import annotations

import secrets
from html import escape
from typing import TYPE_CHECKING

from flask import Response

from .. import REALM
from ..endpoints import redirects
from ..endpoints.messages import single
from ..identity import assurance
from ..identity.sessions import COOKIE, Authentication, Session

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Arranged, Provider
    from ..tokens.codes import AuthorizationRequest


def begin(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest) -> Response:
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
        return redirects.refuse(provider, request, "login_required", "Nobody is signed in")
    if session and wanted is assurance.Decision.GO_ON:
        return signed_in(provider, asked, request, session)
    key = secrets.token_urlsafe(24)
    provider.open.put(key, request)
    provider.journal.add("page", sign_in=request.sign_in, client_id=request.client_id)
    return _form(key, "uid", [(person.uid, person.cn) for person in provider.people.people()])


def chosen(provider: Provider, asked: BrokerRequest) -> Response:
    """Answer the click on a person, or on a role. A page is answered once."""
    parameters, _ = single(asked.form)
    request = provider.open.take(parameters.get("key", ""))
    if request is None:
        return error_page("This page is over: go back to the application and sign in again")
    if provider.person(parameters.get("uid", "")):
        who = Authentication(parameters["uid"], provider.clock(), *assurance.usual(request["acr_values"]))
        return signed_in(provider, asked, request, provider.sessions.open(who))
    session = provider.sessions.of_cookie(asked.cookies.get(COOKIE))
    person = provider.person(session.uid) if session else None
    role_id = parameters.get("role", "")
    if session is None or person is None or person.role(role_id) is None:
        return error_page("Nothing was chosen: go back to the application and sign in again")
    provider.journal.add("role", sign_in=request.sign_in, client_id=request.client_id, sent={"role": role_id})
    return redirects.grant(provider, request, session, role_id)


def error_page(why: str) -> Response:
    """What is said where nothing may be sent to the application."""
    return Response(f"<!doctype html><title>Not possible</title><p>{escape(why)}.", 400, content_type="text/html")


def signed_in(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, session: Session, role_id: str = ""
) -> Response:
    """Go on once somebody is signed in: to the role screen, or straight back with a code. Sets the session's cookie."""
    person = provider.person(session.uid)
    if person is None:
        return redirects.refuse(provider, request, "access_denied", "The person is not there any more")
    asked.note(uid=person.uid)
    must_choose = bool({"selectedrole", "changedrole"} & set(request.scopes)) and not role_id
    if must_choose and len(person.roles) > 1:
        key = secrets.token_urlsafe(24)
        provider.open.put(key, request)
        reply = _form(key, "role", [(role.id, role.text) for role in person.roles])
    else:
        own = person.roles[0].id if must_choose and person.roles else ""
        reply = redirects.grant(provider, request, session, role_id or own)
    path, is_https = asked.path_prefix + REALM, asked.scheme == "https"
    reply.set_cookie(COOKIE, session.cookie, path=path, secure=is_https, httponly=True, samesite="Lax")
    return reply


def _as_arranged(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, arranged: Arranged
) -> Response:
    if provider.person(arranged.uid) is None:
        return redirects.refuse(provider, request, "access_denied", "The person of the arranged sign-in is not there")
    who = Authentication(arranged.uid, provider.clock(), arranged.mechanism, arranged.aal)
    return signed_in(provider, asked, request, provider.sessions.open(who), arranged.role_id)


def _form(key: str, name: str, choices: list[tuple[str, str]]) -> Response:
    buttons = "".join(
        f'<p><button name="{name}" value="{escape(value)}">{escape(text)}</button>' for value, text in choices
    )
    hidden = f'<input type="hidden" name="key" value="{key}">'
    form = f'<form method="post" action="{REALM}/sign-in">{hidden}{buttons}</form>'
    return Response(f"<!doctype html><title>Sign in</title>{form}", content_type="text/html; charset=UTF-8")
