"""The token endpoint: a code for an access token and an ID token (RFC 6749, section 4.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from flask import Response

from ..clients.assertions import TYPE, Assertion, BadAssertion
from ..tokens.codes import Grant
from .messages import single
from .server import BAD_ASSERTION, TokenRequest

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider


def access_token(provider: Provider, asked: BrokerRequest) -> Response:
    """Answer a token request, and note what was sent and given."""
    server = provider.server
    parameters, problem = single(asked.form)
    request = TokenRequest(asked, parameters)
    try:
        if problem:
            raise InvalidRequestError(problem)
        _read_assertion(request)
        reply: Response = server.create_token_response(request)
    except OAuth2Error as exc:
        reply = server.handle_error_response(request, exc)
    _note(provider, request, reply)
    return reply


def _read_assertion(request: TokenRequest) -> None:
    """Take the client's assertion apart, where it sent one; raises OAuth2Error."""
    sent = request.form
    if "client_assertion" not in sent:
        return
    try:
        if sent.get("client_assertion_type") != TYPE:
            raise BadAssertion(f"client_assertion_type is not {TYPE}")
        request.assertion = Assertion.read(sent["client_assertion"])
    except BadAssertion as exc:
        request.refused = str(exc)
        raise InvalidClientError(BAD_ASSERTION) from exc
    if "client_secret" in sent:
        raise InvalidRequestError("The client authenticated in more than one way")
    if sent.get("client_id", request.assertion.client_id) != request.assertion.client_id:
        request.refused = "client_id and the assertion's sub differ"
        raise InvalidClientError(BAD_ASSERTION)


def _note(provider: Provider, request: TokenRequest, reply: Response) -> None:
    grant: Grant | None = request.user
    unused = provider.codes.of_code(request.form.get("code", ""))
    named = request.assertion.client_id if request.assertion else request.form.get("client_id", "")
    named = named or (unused.client_id if unused else "")  # as where it sends its id in the Authorization header
    sent: dict[str, Any] = {**request.form, "auth_method": request.auth_method or ""}
    if request.assertion:
        sent |= {"assertion_header": request.assertion.header, "assertion_claims": request.assertion.claims}
    got: dict[str, Any] = {"status": reply.status_code}
    if request.given:
        got |= {"id_token_header": provider.keys.header(request.client.client.id_token_alg)}
        got |= {"id_token_claims": request.given}
    sign_in = grant.request.sign_in if grant else provider.codes.sign_in_of(request.form.get("code", ""))
    refused = request.refused if reply.status_code >= 400 else ""
    if refused:
        got["error"] = (reply.get_json(silent=True) or {}).get("error")
    provider.journal.add("access_token", sign_in=sign_in, client_id=named, sent=sent, got=got, refused=refused)
    request.asked.note(uid=grant.authentication.uid if grant else "")
    if refused:
        request.asked.note(reason=refused)
