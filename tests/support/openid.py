"""A native program that asks who somebody is: its keys, its PKCE, and its server's token request."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwcrypto import jwk, jws

REDIRECT = "http://127.0.0.1:5555/callback"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class NativeProgram:
    """A registered program, `ward-board` unless the test says otherwise."""

    url: str
    """The broker's."""
    ca_file: Path
    key: jwk.JWK
    id: str = "ward-board"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def assertion(self, now: float, key: jwk.JWK | None = None, algorithm: str = "RS256", **changed: Any) -> str:
        """Say who it is (private_key_jwt); a claim that is None is left out."""
        claims = {
            "iss": self.id, "sub": self.id, "aud": f"{self.url}/openid/token",
            "iat": int(now), "exp": int(now) + 30, "jti": secrets.token_hex(8), **changed,
        }  # fmt: skip
        return sign({name: value for name, value in claims.items() if value is not None}, key or self.key, algorithm)

    def authorize(self, ticket: str, **changed: str) -> requests.Response:
        """Ask for a code as the agent's bridge does; a field that is empty is left out."""
        fields = {
            "token": ticket, "client_id": self.id, "redirect_uri": REDIRECT, "state": "st", "nonce": "no",
            "code_challenge": self.challenge, "code_challenge_method": "S256", "device_id": "dev", **changed,
        }  # fmt: skip
        return self._post("authorize", fields)

    def token(self, code: str, now: float, **changed: str) -> requests.Response:
        """Change a code into an ID token, as its server does."""
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": self.id,
            "code_verifier": self.verifier, "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(now), **changed,
        }  # fmt: skip
        return self._post("token", fields)

    def claims(self, id_token: str) -> dict[str, Any]:
        """The claims of an ID token, whose signature is checked with the broker's published key."""
        keys = requests.get(f"{self.url}/.well-known/jwks.json", verify=str(self.ca_file), timeout=10).json()["keys"]
        read = jws.JWS()
        read.allowed_algs = ["RS256"]
        read.deserialize(id_token, jwk.JWK(**keys[0]))
        return dict(json.loads(read.payload))

    def _post(self, name: str, fields: Mapping[str, str]) -> requests.Response:
        sent = {key: value for key, value in fields.items() if value}
        return requests.post(f"{self.url}/openid/{name}", data=sent, verify=str(self.ca_file), timeout=10)


def sign(claims: Mapping[str, Any], key: jwk.JWK, algorithm: str) -> str:
    """A JWT in its compact form."""
    token = jws.JWS(json.dumps(claims))
    token.allowed_algs = [algorithm]
    token.add_signature(key, None, json.dumps({"alg": algorithm}))
    return str(token.serialize(compact=True))


@functools.cache
def client_key() -> rsa.RSAPrivateKey:
    """The key of the one client, made once for a test run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def register(data: Path, *redirects: str, name: str = "ward-board") -> jwk.JWK:
    """Write DIR/clients.toml with one client, and return the client's key."""
    private = client_key()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (data / "ward-board.pem").write_bytes(public)
    (data / "clients.toml").write_text(
        f'[[client]]\nid = "{name}"\nname = "Ward Board"\nkey = "ward-board.pem"\n'
        f"redirect_uris = {json.dumps(list(redirects or ['http://127.0.0.1/callback', 'wardboard://in']))}\n"
    )
    return jwk.JWK.from_pyca(private)
