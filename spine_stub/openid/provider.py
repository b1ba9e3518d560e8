"""The endpoints of OpenID Connect.

    POST /openid/authorize        by the agent's bridge: the ticket, and what the program asked for; {"code": ...}
    POST /openid/token            by the program's server: a code for an ID token (private_key_jwt and PKCE)
    GET  /.well-known/openid-configuration, /.well-known/jwks.json

Errors are those of RFC 6749, sections 4.1.2.1 and 5.2, as JSON; why is in the X-Spine-Stub-Reason header.
"""

from __future__ import annotations

import secrets
from typing import Any

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Response, jsonify

from ..cis2.clients.addresses import Addresses
from ..cis2.clients.assertions import TYPE, Assertion, Assertions, BadAssertion
from ..cis2.clients.keys import ClientKeys
from ..cis2.clients.registry import PRIVATE_KEY_JWT, Client, Registry
from ..cis2.tokens.keys import stored_key
from ..errors import BrokerError
from ..folder import CA
from ..login.broker import Broker
from ..web.endpoints import Route
from ..web.replies import REASON_HEADER
from ..web.request import BrokerRequest
from .codes import Codes, Grant
from .tokens import ALGORITHM, check_age, id_token

KEY = CA / "openid.key.pem"
_LONGEST = 1024
_CHALLENGE = 43  # characters of a SHA-256 in base64url


class OAuthError(Exception):
    """A request that is not granted: the error's name as RFC 6749 has it, and the reason for developers."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name, self.reason = name, reason


class Provider:
    """One broker's OpenID Connect."""

    def __init__(self, broker: Broker, clients: Registry) -> None:
        """Make the key that signs ID tokens if there is none; raises DataError. Clients with a key may use it."""
        self._clients = clients
        self._key = stored_key(broker.config.data / KEY)
        self._key["kid"] = self._key.thumbprint()
        self._codes, self._assertions = Codes(broker.clock), Assertions(ClientKeys(Addresses()))

    def routes(self) -> tuple[Route, ...]:
        """Its endpoints, as the application takes them."""
        return (
            ("/openid/authorize", ("POST",), _answering(self.authorize)),
            ("/openid/token", ("POST",), _answering(self.token)),
            ("/.well-known/openid-configuration", ("GET",), self.configuration),
            ("/.well-known/jwks.json", ("GET",), self.keys),
        )

    def authorize(self, broker: Broker, asked: BrokerRequest) -> dict[str, Any]:
        """Give a code for the person whose ticket this is; raises OAuthError."""
        client, uri = self._client(asked), _field(asked, "redirect_uri")
        if not client.may_redirect_to(uri):
            raise OAuthError("invalid_request", "redirect-not-registered")
        challenge = _field(asked, "code_challenge")
        if _field(asked, "code_challenge_method") != "S256" or len(challenge) != _CHALLENGE:
            raise OAuthError("invalid_request", "pkce-wanted")
        ticket = _field(asked, "token")
        _session(broker, ticket)
        optional = {name: asked.form.get(name, "")[:_LONGEST] for name in ("state", "nonce", "device_id")}
        return {"code": self._codes.give(Grant(client.id, uri, challenge, ticket, **optional))}

    def token(self, broker: Broker, asked: BrokerRequest) -> dict[str, Any]:
        """Give an ID token for a code; raises OAuthError."""
        if _field(asked, "grant_type") != "authorization_code":
            raise OAuthError("unsupported_grant_type", "grant-type")
        client = self._authenticated(broker, asked)
        code = _field(asked, "code")
        grant = self._codes.take(code)
        if grant is None or (grant.client_id, grant.redirect_uri) != (client.id, _field(asked, "redirect_uri")):
            raise OAuthError("invalid_grant", "code-not-valid")
        if not secrets.compare_digest(create_s256_code_challenge(_field(asked, "code_verifier")), grant.challenge):
            raise OAuthError("invalid_grant", "pkce-does-not-fit")
        session, person = _session(broker, grant.ticket)
        now, access = int(broker.clock().timestamp()), secrets.token_urlsafe(32)
        ends = int(broker.store.limits.end(session).timestamp())
        times = {"iat": now, "exp": max(ends, now + 1), "auth_time": int(session.opened.timestamp())}
        hashed = {"at_hash": access, "c_hash": code, "s_hash": grant.state}
        signed = id_token(self._key, asked.base, grant, session, person, hashed, times)
        return {"access_token": access, "token_type": "Bearer", "expires_in": times["exp"] - now, "id_token": signed}

    def configuration(self, _: Broker, asked: BrokerRequest) -> Response:
        """What OpenID Connect Discovery 1.0 has programs look up."""
        return jsonify(
            {
                "issuer": asked.base,
                "authorization_endpoint": "nhsidentityagent://connect/authorize",
                "token_endpoint": f"{asked.base}/openid/token",
                "jwks_uri": f"{asked.base}/.well-known/jwks.json",
                "scopes_supported": ["openid"],
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "code_challenge_methods_supported": ["S256"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": [PRIVATE_KEY_JWT],
                "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS512"],
                "claims_supported": ["sub", "iss", "name", "org", "role", "workgroups", "activities"],
            }
        )

    def keys(self, _: Broker, __: BrokerRequest) -> Response:
        """The public key that ID tokens are checked with (RFC 7517)."""
        return jsonify({"keys": [{**self._key.export_public(as_dict=True), "use": "sig", "alg": ALGORITHM}]})

    def _client(self, asked: BrokerRequest) -> Client:
        client = self._clients.get(_field(asked, "client_id"))
        if client is None or not client.key:
            raise OAuthError("invalid_client", "client-unknown")
        return client

    def _authenticated(self, broker: Broker, asked: BrokerRequest) -> Client:
        client = self._client(asked)
        if _field(asked, "client_assertion_type") != TYPE:
            raise OAuthError("invalid_client", "assertion-type")
        audience = f"{asked.base}/openid/token"
        try:
            assertion = Assertion.read(_field(asked, "client_assertion", 8192))
            check_age(assertion, broker.clock())
            self._assertions.check(assertion, client, PRIVATE_KEY_JWT, audience, broker.clock())
        except BadAssertion as exc:
            raise OAuthError("invalid_client", f"assertion: {exc}") from exc
        return client


def _session(broker: Broker, ticket: str) -> Any:
    try:
        return broker.session(ticket)
    except BrokerError as exc:
        raise OAuthError("access_denied", exc.reason) from exc


def _answering(view: Any) -> Any:
    """Make JSON of what a view returns, and of its OAuthError."""

    def answer(broker: Broker, asked: BrokerRequest) -> Response:
        try:
            return jsonify(view(broker, asked))
        except OAuthError as exc:
            asked.note(reason=exc.reason)
            reply = jsonify({"error": exc.name})
            reply.status_code = 401 if exc.name == "invalid_client" else 400
            reply.headers[REASON_HEADER] = exc.reason
            return reply

    answer.__name__ = view.__name__
    return answer


def _field(asked: BrokerRequest, name: str, longest: int = _LONGEST) -> str:
    """A parameter of the form that must be there; raises OAuthError."""
    values = asked.form.getlist(name)
    if len(values) != 1 or not 0 < len(values[0]) <= longest:
        raise OAuthError("invalid_request", f"parameter-{name.replace('_', '-')}")
    return values[0]
