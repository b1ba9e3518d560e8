"""An application that signs people in by CIS2: its authorization requests, its assertions, what it checks."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto import jwk, jws
from jwcrypto.common import base64url_encode

from spine_stub.cis2 import REALM
from spine_stub.cis2.clients.registry import make
from spine_stub.cis2.provider import Provider
from spine_stub.config import system_clock

REDIRECT = "http://127.0.0.1:5000/callback"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PERSON = "555000000002"
"""With one role."""
ROLE = "555100000201"
SCOPES = "openid profile nhsperson nationalrbacaccess associatedorgs selectedrole"


@dataclass
class Application:
    """The example application, unless the test says otherwise; it has one browser."""

    url: str
    """The broker's."""
    ca_file: Path
    id: str = "example-application"
    secret: str = "example-secret"
    key: jwk.JWK | None = None
    kid: str | None = None
    algorithm: str = "RS256"
    clock: Callable[[], datetime] = system_clock
    browser: requests.Session = field(default_factory=requests.Session)

    @property
    def token_endpoint(self) -> str:
        return f"{self.url}{REALM}/access_token"

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask the provider, as the application's server."""
        return requests.get(f"{self.url}{REALM}{path}", verify=str(self.ca_file), timeout=10, **options)

    def authorize(self, **changed: str | None) -> requests.Response:
        """Send the browser to sign in; a parameter that is None is left out."""
        asked = {
            "client_id": self.id, "redirect_uri": REDIRECT, "response_type": "code", "scope": SCOPES,
            "state": "the-state", "nonce": "the-nonce", "login_hint": PERSON, **changed,
        }  # fmt: skip
        sent = {name: value for name, value in asked.items() if value is not None}
        return self.browser.get(
            f"{self.url}{REALM}/authorize", params=sent, verify=str(self.ca_file), timeout=10, allow_redirects=False
        )

    def code(self, **changed: str | None) -> str:
        return returned(self.authorize(**changed))["code"]

    def token(self, code: str | None, **changed: str | None) -> requests.Response:
        """Change a code into tokens; a parameter that is None is left out."""
        asked = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, **self.proof(), **changed
        }  # fmt: skip
        sent = {name: value for name, value in asked.items() if value is not None}
        return requests.post(self.token_endpoint, data=sent, verify=str(self.ca_file), timeout=10)

    def proof(self) -> dict[str, str]:
        """How it says who it is: by its key where it has one, else by its secret."""
        if self.key is None:
            return {"client_id": self.id, "client_secret": self.secret}
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}

    def assertion(self, algorithm: str | None = None, key: jwk.JWK | None = None, **changed: Any) -> str:
        """A client assertion; a claim that is None is left out."""
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.id, "sub": self.id, "aud": self.token_endpoint, "iat": now, "exp": now + 60,
            "jti": secrets.token_hex(8), **changed,
        }  # fmt: skip
        sent = {name: value for name, value in claims.items() if value is not None}
        used = key or self.key
        assert used, "it has no key"
        return sign(sent, used, algorithm or self.algorithm, **({"kid": self.kid} if self.kid else {}))

    def userinfo(self, token: str) -> requests.Response:
        return self.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

    def claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token whose signature is by a key of the provider's; raises where it is not."""
        kid = jws_header(token)["kid"]
        keys = self.get("/connect/jwk_uri").json()["keys"]
        read = jws.JWS()
        read.deserialize(token, jwk.JWK(**next(key for key in keys if key["kid"] == kid)))
        claims: Mapping[str, Any] = json.loads(read.payload)
        return claims


def asks_who(reply: requests.Response) -> bool:
    """Whether the browser is sent to the page where somebody is chosen."""
    return reply.status_code == 302 and f"{REALM}/sign-in?key=" in reply.headers["Location"]


def returned(reply: requests.Response) -> dict[str, str]:
    """What the browser brings back to the application."""
    assert reply.status_code == 302, reply.text
    location = reply.headers["Location"]
    assert location.startswith(REDIRECT)
    return dict(parse_qsl(urlsplit(location).query))


def private_key() -> jwk.JWK:
    return jwk.JWK.from_pyca(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def sign(claims: Mapping[str, Any], key: jwk.JWK, algorithm: str, **header: Any) -> str:
    token = jws.JWS(json.dumps(claims))
    token.allowed_algs = [algorithm]
    token.add_signature(key, None, json.dumps({"alg": algorithm, **header}))
    return str(token.serialize(compact=True))


def jws_header(token: str) -> Mapping[str, Any]:
    read = jws.JWS()
    read.deserialize(token)
    header: Mapping[str, Any] = read.jose_header
    return header


def secret_key(secret: str) -> jwk.JWK:
    return jwk.JWK(kty="oct", k=base64url_encode(secret))


def public_pem(key: jwk.JWK) -> str:
    pem: bytes = key.export_to_pem()
    return pem.decode()


def unsigned(claims: Mapping[str, Any], **header: Any) -> str:
    """A token that says of itself that nobody has signed it."""
    parts = (base64url_encode(json.dumps(part)) for part in ({"alg": "none", **header}, claims))
    return ".".join([*parts, ""])


NOT_VALID = (401, "invalid_client", "JWT is not valid")


def refused(application: Application, assertion: str, **changed: str) -> tuple[int, str, str, str]:
    """What the token endpoint says to an assertion: status, error, description and the developers' reason."""
    reply = application.token(application.code(), client_assertion=assertion, **changed)
    body = reply.json()
    assert "id_token" not in body
    return reply.status_code, body["error"], body["error_description"], reply.headers["X-Spine-Stub-Reason"]


def register(provider: Provider, **fields: Any) -> None:
    """Register the example application with other fields; it needs its proof of who it is among them."""
    provider.clients.add(make({"id": "example-application", "redirect_uris": [REDIRECT], **fields}, None))


@dataclass
class Page:
    """A page that the browser of an application got."""

    application: Application
    reply: requests.Response

    @property
    def text(self) -> str:
        return unescape(self.reply.text)

    def choices(self, name: str) -> list[str]:
        return re.findall(rf'<button name="{name}" value="([^"]+)"', self.text)

    def search(self, words: str) -> Page:
        return Page(self.application, visit(self.application, f"{self.reply.url}&q={words}"))

    def send(self, headers: dict[str, str] | None = None, **fields: str) -> requests.Response:
        key = parse_qs(urlsplit(self.reply.url).query)["key"][0]
        address = self.reply.url.partition("?")[0]
        return self.application.browser.post(
            address, {"key": key, **fields}, headers=headers, verify=str(self.application.ca_file),
            timeout=10, allow_redirects=False,
        )  # fmt: skip

    def follow(self, reply: requests.Response) -> Page:
        """The page to which an answer leads."""
        assert reply.status_code == 302, reply.text
        return Page(self.application, visit(self.application, reply.headers["Location"]))


def visit(application: Application, address: str) -> requests.Response:
    return application.browser.get(address, verify=str(application.ca_file), timeout=10, allow_redirects=False)


def page(application: Application, **asked: str) -> Page:
    """Send the browser to sign in, to where nobody is signed in yet."""
    reply = application.authorize(**{"login_hint": None, **asked})
    assert reply.status_code == 302
    return Page(application, visit(application, reply.headers["Location"]))
