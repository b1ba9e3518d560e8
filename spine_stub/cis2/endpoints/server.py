"""The OAuth 2.0 server: Authlib's, with what is CIS2's own of clients, codes, tokens and the wording of errors.

It works with Authlib 1.2, which Debian 12 has, and with those after it: they differ in where a request has its
parameters, so `OAuthRequest` has them in both places.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidGrantError,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Response

from ...web.replies import REASON_HEADER
from ..clients.assertions import Assertion, Assertions, BadAssertion
from ..clients.keys import ClientKeys
from ..clients.registry import AUTH_METHODS, PRIVATE_KEY_JWT, SECRET_JWT, SECRET_POST, Client
from ..identity.claims import ROLE_SCOPES, SCOPES
from ..identity.sessions import Session
from ..tokens import id_token
from ..tokens.codes import TOKEN_LIFETIME, BadCode, Grant
from .messages import as_json, printable

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider

# At DEBUG this module of Authlib writes whole tokens into the log.
logging.getLogger(AuthorizationCodeGrant.__module__).setLevel(logging.INFO)

_WORDS = {
    "invalid_client": "Client authentication failed",
    "invalid_grant": "The provided access grant is invalid, expired, or revoked.",
}
"""What the real provider says, whatever the reason."""
BAD_ASSERTION = "JWT is not valid"


class OAuthRequest(OAuth2Request):
    """A request as Authlib takes it: its parameters are a plain mapping."""

    args: Mapping[str, str] = {}
    form: Mapping[str, str] = {}
    data: Mapping[str, str] = {}

    def __init__(self, parameters: Mapping[str, str], method: str = "GET") -> None:
        super().__init__(method, "https://localhost/")  # Authlib takes no other but https; we do, on this machine
        self.form = self.data = parameters
        self.payload = Payload(parameters)


class TokenRequest(OAuthRequest):
    """A request at the token endpoint, and what is found out about it."""

    def __init__(self, asked: BrokerRequest, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters, "POST")
        self.asked = asked
        self.assertion: Assertion | None = None
        self.refused = ""
        """Why it was not granted, for developers."""
        self.given: Mapping[str, Any] = {}
        """The claims of the ID token that it got."""


class Payload:
    """The parameters of a request where Authlib from 1.6 on looks for them."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.data = parameters
        self.datalist = {name: [value] for name, value in parameters.items()}

    def __getattr__(self, name: str) -> str | None:
        """A parameter, such as client_id."""
        return self.data.get(name)


class ClientOfServer:
    """A client as Authlib asks about it (ClientMixin)."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_redirect_uri(self, uri: str) -> bool:
        return self.client.may_redirect_to(uri)

    def get_default_redirect_uri(self) -> None:
        """None: the real provider wants one in every request."""

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_client_secret(self, secret: str) -> bool:
        own = self.client.secret.encode()
        return self.client.is_any or bool(own and secrets.compare_digest(own, secret.encode("utf-8", "replace")))

    def check_endpoint_auth_method(self, method: str, _: str) -> bool:
        return method in self.client.auth_methods

    def check_response_type(self, kind: str) -> bool:
        return kind == "code"

    def check_grant_type(self, kind: str) -> bool:
        return kind == "authorization_code"


class CodeGrant(AuthorizationCodeGrant):
    """The authorization code flow. What a code stands for is a Grant, and that is its user too."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    server: Server

    def save_authorization_code(self, code: str, request: OAuthRequest) -> None:
        self.server.provider.codes.give_code(code, request.user)

    def query_authorization_code(self, code: str, client: ClientOfServer) -> Grant | None:
        try:
            return self.server.provider.codes.take_code(code, client.client.id)
        except BadCode as exc:
            self.request.refused = str(exc)
            return None

    def delete_authorization_code(self, grant: Grant) -> None:
        """Nothing: a code that was looked up is used."""

    def generate_token(self, user: Grant, **_: object) -> dict[str, Any]:
        """The reply's tokens; `user` is what the code stood for. Raises InvalidGrantError."""
        provider, client, asked = self.server.provider, self.request.client.client, self.request.asked
        issuer = user.session.issuers[client.id] = provider.issuer(asked)
        user.session.clients[client.id] = user.request.sign_in
        access_token = provider.codes.give_token(user)
        claims = id_token.claims(user, client, issuer, access_token, provider.clock())
        self._check_open(user.session)
        self.request.given = claims
        return {
            "access_token": access_token,
            "scope": user.get_scope(),
            "id_token": provider.keys.sign(claims, client.id_token_alg),
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFETIME.total_seconds()) - 1,
        }

    def _check_open(self, session: Session) -> None:
        """Give no tokens in a session that has just ended: this client has not been told. Raises InvalidGrantError."""
        if self.server.provider.sessions.get(session.sid) is None:
            self.server.provider.codes.end_session(session.sid)
            raise InvalidGrantError("The session is over")

    def authenticate_user(self, grant: Grant) -> Grant | None:
        return grant if self.server.provider.sessions.get(grant.session.sid) else None


class Server(AuthorizationServer):
    """Authlib's server with this provider's clients, codes and tokens."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self.provider = provider
        self.client_keys = ClientKeys(provider.addresses)
        self.assertions = Assertions(self.client_keys)
        self.register_grant(CodeGrant, [CodeChallenge(required=False)])
        for method in (SECRET_JWT, PRIVATE_KEY_JWT):
            self.register_client_auth_method(method, self._authentication(method))

    def reset(self) -> None:
        """Forget the assertions that were used and the key sets that were fetched."""
        self.assertions.forget()
        self.client_keys.forget()

    def query_client(self, client_id: str) -> ClientOfServer | None:
        client = self.provider.clients.get(client_id)
        return ClientOfServer(client) if client else None

    def consent(self, parameters: Mapping[str, str]) -> CodeGrant:
        """Check an authorization request whose client and redirect are known; raises OAuth2Error for the redirect."""
        grant: CodeGrant = self.get_consent_grant(OAuthRequest(parameters))
        return grant

    def validate_requested_scope(self, scope: str, *_: object) -> None:
        """Scopes are those of CIS2, with openid among them, and not both of the two that choose a role."""
        asked = set((scope or "").split())
        if "openid" not in asked:
            raise InvalidScopeError("The scope openid is missing")
        if asked - set(SCOPES):
            raise InvalidScopeError("Unknown/invalid scope(s)")
        if set(ROLE_SCOPES) <= asked:
            raise InvalidScopeError("selectedrole and changedrole exclude each other")

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Nothing: a token is kept when it is made."""

    def send_signal(self, *_: object, **__: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        return request

    def handle_response(self, status: int, body: Mapping[str, Any], _: object) -> Response:
        """A reply in JSON; that it is not to be stored holds of every reply of ours."""
        reply = as_json(body, status)
        reply.headers["Pragma"] = "no-cache"  # RFC 6749, section 5.1
        return reply

    def handle_error_response(self, request: TokenRequest, error: OAuth2Error) -> Response:
        """An error in the real provider's wording; the reason is in a header."""
        said = error.description or error.get_error_description()
        why = self._why_not(request) if error.error == "invalid_client" else ""
        request.refused = request.refused or why or said or error.error
        words = said if said == BAD_ASSERTION else _WORDS.get(error.error, said)
        reply = self.handle_response(
            401 if error.error == "invalid_client" else 400, {"error_description": words, "error": error.error}, []
        )
        reply.headers[REASON_HEADER] = printable(request.refused)
        if reply.status_code == 401 and "Authorization" in request.asked.headers:  # RFC 6749, section 5.2
            reply.headers["WWW-Authenticate"] = 'Basic realm="CIS2"'
        return reply

    def _why_not(self, request: TokenRequest) -> str:
        """Why a client without an assertion, or with one of the wrong kind, is not believed to be who it says."""
        named = request.assertion.client_id if request.assertion else request.form.get("client_id", "")
        client = self.provider.clients.get(named)
        if "client_secret" not in request.form and request.asked.headers.get("Authorization"):
            return "the client used the Authorization header, which CIS2 does not take"
        if client is None:
            return "client_id is not one that is registered"
        if "client_secret" in request.form and SECRET_POST in client.auth_methods:
            return "client_secret is not that of this client"
        return f"this client says who it is by {' or '.join(client.auth_methods)}"

    def _authentication(self, method: str) -> Callable[[object, TokenRequest], ClientOfServer | None]:
        """What authenticates a client by an assertion; raises InvalidClientError."""

        def authenticate(_: object, request: TokenRequest) -> ClientOfServer | None:
            if request.assertion is None:
                return None
            client = self.provider.clients.get(request.assertion.client_id)
            if client is None or method not in client.auth_methods:
                return None
            audience = self.provider.address(request.asked, "/access_token")
            try:
                self.assertions.check(request.assertion, client, method, audience, self.provider.clock())
            except BadAssertion as exc:
                request.refused = str(exc)
                raise InvalidClientError(BAD_ASSERTION) from exc
            return ClientOfServer(client)

        return authenticate
