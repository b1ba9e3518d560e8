"""The authorization endpoint: what an application asks for, checked before anybody is asked to sign in.

Until client and redirect are known to belong together nothing is sent to the redirect: what is wrong then is said on a
page, so that nobody is led anywhere by an address of ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response

from ...web.replies import REASON_HEADER
from ..clients.registry import Client
from ..sign_in.begin import begin
from ..sign_in.looks import or_away, problem_page
from ..tokens.codes import AuthorizationRequest
from .messages import printable, single
from .redirects import refuse

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider


_REGISTERING = (
    "Add a [[client]] table with this id to clients.toml in the broker's folder, and start the broker again",
    "Register it while the broker runs: POST /stub/api/cis2/clients, or SpineStub().cis2.client(...)",
    "Start the broker with --any-client, which takes every application of this machine",
)
"""What the developer of an application that is not known can do."""


@or_away
def authorize(provider: Provider, asked: BrokerRequest) -> Response:
    """Begin a sign-in, or say what is wrong with the request: on a page, or at the redirect."""
    parameters, problem = single(asked.values)
    client = provider.clients.get(parameters.get("client_id", ""))
    redirect_uri = parameters.get("redirect_uri", "")
    if client is None:
        why = "client_id is not one that is registered"
        return _refused_here(provider, asked, parameters, why, "One of these will do:", _REGISTERING)
    if not client.may_redirect_to(redirect_uri):
        why = "redirect_uri is not one of those registered for this client"
        return _refused_here(provider, asked, parameters, why, "These are registered:", client.redirect_uris)
    request = AuthorizationRequest(secrets.token_hex(8), client.id, redirect_uri, parameters)
    if problem:
        return refuse(provider, request, "invalid_request", problem)
    try:
        _check(request, client)
        provider.server.consent(parameters)
    except OAuth2Error as exc:
        return refuse(provider, request, exc.error, exc.description)
    provider.journal.add("authorize", sign_in=request.sign_in, client_id=client.id, sent=parameters)
    return begin(provider, asked, request)


def _check(request: AuthorizationRequest, client: Client) -> None:
    """Check what Authlib does not; raises OAuth2Error."""
    for name in ("request", "request_uri"):
        if request[name]:
            raise OAuth2Error(f"The parameter {name} is not taken", error=f"{name}_not_supported")
    if request["response_type"] != "code":
        raise OAuth2Error("The response type is not code", error="unsupported_response_type")
    if request["response_mode"] not in ("", "query"):
        raise OAuth2Error("The response mode is not query", error="invalid_request")
    if client.scopes and set(request.scopes) - set(client.scopes):
        raise OAuth2Error("The client is registered for other scopes", error="invalid_scope")


def _refused_here(
    provider: Provider,
    asked: BrokerRequest,
    parameters: Mapping[str, str],
    why: str,
    next_step: str,
    ways: Sequence[str],
) -> Response:
    """Say on a page what is wrong, to whoever develops the application."""
    client_id = parameters.get("client_id", "")
    provider.journal.add("authorize", client_id=client_id, sent=parameters, got={"status": 400}, refused=why)
    asked.note(reason=why)
    reply = problem_page(why, next_step=next_step, ways=ways)
    reply.headers[REASON_HEADER] = printable(why)
    return reply
