"""The authorization endpoint: what an application asks for, checked before anybody is asked to sign in.

Until client and redirect are known to belong together nothing is sent to the redirect: what is wrong then is said on a
page, so that nobody is led anywhere by an address of ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response

from ...web.replies import REASON_HEADER
from ..sign_in.begin import begin
from ..sign_in.pages import problem_page
from ..tokens.codes import AuthorizationRequest
from .messages import printable, single
from .redirects import refuse

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider


def authorize(provider: Provider, asked: BrokerRequest) -> Response:
    """Begin a sign-in, or say what is wrong with the request: on a page, or at the redirect."""
    parameters, problem = single(asked.values)
    client = provider.clients.get(parameters.get("client_id", ""))
    redirect_uri = parameters.get("redirect_uri", "")
    if client is None:
        return _refused_here(provider, asked, parameters, "client_id is not one that is registered")
    if not client.may_redirect_to(redirect_uri):
        return _refused_here(provider, asked, parameters, "redirect_uri is not one of those registered for this client")
    request = AuthorizationRequest(secrets.token_hex(8), client.id, redirect_uri, parameters)
    if problem:
        return refuse(provider, request, "invalid_request", problem)
    if request["response_type"] != "code":
        return refuse(provider, request, "unsupported_response_type", "The response type is not code")
    if client.scopes and set(request.scopes) - set(client.scopes):
        return refuse(provider, request, "invalid_scope", "The client is registered for other scopes")
    try:
        provider.server.consent(parameters)
    except OAuth2Error as exc:
        return refuse(provider, request, exc.error, exc.description)
    provider.journal.add("authorize", sign_in=request.sign_in, client_id=client.id, sent=parameters)
    return begin(provider, asked, request)


def _refused_here(provider: Provider, asked: BrokerRequest, parameters: Mapping[str, str], why: str) -> Response:
    client_id = parameters.get("client_id", "")
    provider.journal.add("authorize", client_id=client_id, sent=parameters, got={"status": 400}, refused=why)
    asked.note(reason=why)
    reply = problem_page("The application asks in a wrong way", why, next_step="Tell whoever looks after it:")
    reply.headers[REASON_HEADER] = printable(why)
    return reply
