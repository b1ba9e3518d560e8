"""The userinfo endpoint: who somebody is, for an access token (OpenID Connect Core 1.0, section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response

from ...web.replies import REASON_HEADER
from ..clients.registry import Client
from ..identity.claims import claims
from ..tokens.codes import Grant
from ..tokens.id_token import level
from .messages import as_json

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider

_WORDS = "The access token provided is expired, revoked, malformed, or invalid for other reasons."
_LEVELS = ("idassurancelevel",)


def userinfo(provider: Provider, asked: BrokerRequest) -> Response:
    """Answer with the claims of the scopes that were granted, as the client is registered: plain or signed."""
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    grant = provider.codes.of_token(token.strip()) if scheme.lower() == "bearer" else None
    if grant and provider.sessions.get(grant.session.sid) is None:
        grant = None
    client = provider.clients.get(grant.client_id) if grant else None
    person = provider.person(grant.authentication.uid) if grant else None
    if grant is None or client is None or person is None:
        return _refused(provider, "no access token was sent" if not token else "the access token is not known, or over")
    given = as_registered({"sub": person.uid, **claims(person, grant.request.scopes)}, client)
    asked.note(uid=person.uid)
    _note(provider, grant, given)
    if client.userinfo == "plain":
        return as_json(given)
    signed = provider.keys.sign({"iss": provider.issuer(asked), **given}, client.id_token_alg)
    return Response(signed, content_type="application/jwt;charset=UTF-8")


def as_registered(given: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """The claims in the form that this client gets: levels as text or number, a list of one as the one."""
    made = {name: level(value, client) if name in _LEVELS else value for name, value in given.items()}
    return {name: _one_for_list(value) for name, value in made.items()} if client.single_as_object else made


def _one_for_list(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _note(provider: Provider, grant: Grant, given: Mapping[str, Any]) -> None:
    got = {"status": 200, "claims": given}
    provider.journal.add("userinfo", sign_in=grant.request.sign_in, client_id=grant.client_id, got=got)


def _refused(provider: Provider, why: str) -> Response:
    provider.journal.add("userinfo", got={"status": 401}, refused=why)
    reply = as_json({"error_description": _WORDS, "error": "invalid_token"}, 401)
    reply.headers["WWW-Authenticate"] = f'Bearer error="invalid_token",error_description="{_WORDS}"'
    reply.headers[REASON_HEADER] = why
    return reply
