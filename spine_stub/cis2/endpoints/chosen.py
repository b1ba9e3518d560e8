"""What comes back from the sign-in page and the role screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Response

from .. import sign_in
from ..identity import assurance
from ..identity.sessions import COOKIE, Authentication
from ..tokens.codes import AuthorizationRequest
from . import authorize
from .messages import single

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider


def chosen(provider: Provider, asked: BrokerRequest) -> Response:
    """Answer the click on a person, or on a role. A page is answered once."""
    parameters, _ = single(asked.form)
    request = provider.open.take(parameters.get("key", ""))
    if request is None:
        return sign_in.error_page("This page is over: go back to the application and sign in again")
    if provider.person(parameters.get("uid", "")):
        return _person_chosen(provider, asked, request, parameters)
    return _role_chosen(provider, asked, request, parameters.get("role", ""))


def _person_chosen(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, parameters: Mapping[str, str]
) -> Response:
    mechanism = parameters.get("mechanism", "")
    aal = assurance.MECHANISMS.get(mechanism)
    how = (mechanism, aal) if aal else assurance.usual(request["acr_values"])
    who = Authentication(parameters["uid"], provider.clock(), *how)
    return authorize.signed_in(provider, asked, request, provider.sessions.open(who))


def _role_chosen(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, role_id: str) -> Response:
    session = provider.sessions.of_cookie(asked.cookies.get(COOKIE))
    person = provider.person(session.uid) if session else None
    if session is None or person is None or person.role(role_id) is None:
        return sign_in.error_page("Nothing was chosen: go back to the application and sign in again")
    provider.journal.add("role", sign_in=request.sign_in, client_id=request.client_id, sent={"role": role_id})
    return authorize.finish(provider, request, session, role_id)
