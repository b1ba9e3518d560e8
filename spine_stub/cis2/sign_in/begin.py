"""How somebody comes to be signed in to an authorization request, and what follows.

In this order: as a test has arranged it; as `login_hint` names a person, which only a test bed may believe; by the
session that the browser has, if it is fresh and sure enough; else on the page, by a click or by a smartcard.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from flask import Response

from .. import REALM
from ..endpoints.redirects import grant, refuse
from ..identity.assurance import Mechanism, Wanted
from ..identity.mock_people import is_mock, usual_mechanism
from ..identity.sessions import COOKIE, Authentication, Session
from ..pending import Arranged, Pending
from ..tokens.codes import AuthorizationRequest
from .roles import known_role

if TYPE_CHECKING:
    from ...people.directory import Person
    from ...web.request import BrokerRequest
    from ..provider import Provider

SIGN_IN_PAGE, ROLE_PAGE = "sign-in", "role"
"""Where the pages are, below REALM."""


def begin(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest) -> Response:
    """Go on with whoever is signed in to this request; else send the browser to the page."""
    try:
        wanted = Wanted.read(request.parameters)
    except ValueError as exc:
        return refuse(provider, request, "invalid_request", str(exc))
    if arranged := provider.arranged.take(request.client_id):
        return _as_arranged(provider, asked, request, arranged)
    session = session_of(provider, asked)
    is_silent = "none" in wanted.prompts
    hinted = None if is_silent else provider.person(request["login_hint"])
    if hinted:
        return sign_in(provider, asked, request, _usually(provider, hinted, wanted))
    if session and wanted.is_met_by(session.authentication, provider.clock()):
        return go_on(provider, asked, request, session)
    if is_silent:
        return refuse(provider, request, "login_required", "Nobody is signed in")
    provider.journal.add("page", sign_in=request.sign_in, client_id=request.client_id)
    return _ask(provider, asked, request, SIGN_IN_PAGE)


def sign_in(
    provider: Provider,
    asked: BrokerRequest,
    request: AuthorizationRequest,
    authentication: Authentication,
    *,
    ticket_key: str = "",
    role_id: str = "",
) -> Response:
    """Give the browser a session of somebody who has just signed in, and go on."""
    session = session_of(provider, asked)
    if session and (session.uid, session.ticket_key) == (authentication.uid, ticket_key):
        session.authentication = authentication
    else:
        if session:
            provider.sessions.end(session.sid, "logged_out")
        session = provider.sessions.open(authentication, ticket_key)
    return go_on(provider, asked, request, session, role_id)


def go_on(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, session: Session, role_id: str = ""
) -> Response:
    """Send the browser back with a code once the role is known, else to the page that asks for it."""
    person = provider.person(session.uid)
    if person is None:
        return refuse(provider, request, "access_denied", "The person is not there any more")
    asked.note(uid=person.uid)
    role = role_id or known_role(request.scopes, person, _chosen(provider, session))
    if role is not None:
        reply = grant(provider, request, session, role)
    elif "none" in request["prompt"].split():
        reply = refuse(provider, request, "interaction_required", "A role must be chosen")
    else:
        reply = _ask(provider, asked, request, ROLE_PAGE, session.sid)
    path, secure = f"{asked.path_prefix}{REALM}", asked.scheme == "https"
    reply.set_cookie(COOKIE, session.cookie, path=path, secure=secure, httponly=True, samesite="Lax")
    return reply


def session_of(provider: Provider, asked: BrokerRequest) -> Session | None:
    """The session that the browser has."""
    return provider.sessions.of_cookie(asked.cookies.get(COOKIE))


def mechanism_for(person: Person, wanted: Wanted, name: str = "") -> Mechanism:
    """How somebody signs in: as was chosen, or as they usually do, where that is enough; else as is asked for.

    The people of the public mock sign in as they usually do even where it is not enough.
    """
    offered = wanted.offered()
    chosen = next((mechanism for mechanism in offered if mechanism.name == name), None)
    usual = usual_mechanism(person.uid)
    return chosen or (usual if usual in offered or is_mock(person.uid) else offered[0])


def _as_arranged(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, arranged: Arranged
) -> Response:
    person = provider.person(arranged.uid)
    if person is None:
        return refuse(provider, request, "access_denied", "The person of the arranged sign-in is not there")
    who = Authentication(person.uid, provider.clock(), arranged.mechanism, arranged.aal, person.identity_level)
    return sign_in(provider, asked, request, who, role_id=arranged.role_id)


def _chosen(provider: Provider, session: Session) -> list[str]:
    """The roles that were chosen in this session, the last first: on our page, and in the agent's window."""
    here = list(reversed(session.roles.values()))
    at_broker = provider.broker.store.sessions().get(session.ticket_key) if session.ticket_key else None
    in_agent = (at_broker.role_id if at_broker else "") or ""
    is_new, session.agent_role = in_agent != session.agent_role, in_agent
    return [in_agent, *here] if is_new else [*here, in_agent]


def _usually(provider: Provider, person: Person, wanted: Wanted) -> Authentication:
    return mechanism_for(person, wanted).at(person.uid, provider.clock(), person.identity_level)


def _ask(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, page: str, sid: str = "") -> Response:
    """Send the browser to a page; that of roles answers the session of `sid` alone."""
    key = secrets.token_urlsafe(24)
    provider.pending.put(key, Pending(request, sid))
    return Response("", 302, {"Location": provider.address(asked, f"/{page}?key={key}")})
