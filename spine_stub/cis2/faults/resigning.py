"""Taking the token out of a reply, changing it, and putting it back signed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Response

from ...faults import Call, Fault
from ..tokens.reading import decoded, encoded, taken_apart

if TYPE_CHECKING:
    from ..provider import Provider

Claims = dict[str, Any]
Change = Callable[[Claims], object]
"""Changes claims where they are."""


class Resigning:
    """Makes faults that change tokens, each signed anew by the provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    @property
    def now(self) -> int:
        """The provider's time, in seconds since 1970."""
        return int(self.provider.clock().timestamp())

    def claims(self, change: Change) -> Fault:
        """Other claims: of the token, or of userinfo that is not signed."""

        def again(token: str) -> str:
            header, claims = taken_apart(token)
            change(claims)
            return self.provider.keys.sign(claims, header["alg"])

        return _replaced(again, change)

    def algorithm(self, name: str) -> Fault:
        """The same claims under another algorithm: this one, or RS256 where a client's tokens have this one anyway."""

        def again(token: str) -> str:
            header, claims = taken_apart(token)
            return self._signed_with(name if name != header["alg"] else "RS256", claims)

        return _replaced(again)

    def _signed_with(self, name: str, claims: Claims) -> str:
        if not name.startswith("HS"):
            return self.provider.keys.sign(claims, name)
        from jwcrypto import jwk  # takes a while to import

        from ..tokens.keys import signed

        # The public key, which everybody has, taken for a secret: RFC 8725, section 2.1.
        secret = jwk.JWK(kty="oct", k=encoded(self.provider.keys.current.export_to_pem()))
        return signed(claims, secret, {"typ": "JWT", "alg": name})


def unsigned() -> Fault:
    """The same claims, signed by nobody (RFC 7519, section 6)."""
    header = encoded(b'{"typ": "JWT", "alg": "none"}')
    return _replaced(lambda token: f"{header}.{token.split('.')[1]}.")


def wrongly_signed() -> Fault:
    """One bit of the signature turned over."""

    def flip(token: str) -> str:
        signed, _, signature = token.rpartition(".")
        raw = bytearray(decoded(signature))
        raw[len(raw) // 2] ^= 1
        return f"{signed}.{encoded(bytes(raw))}"

    return _replaced(flip)


def _replaced(again: Callable[[str], str], change: Change | None = None) -> Fault:
    """A fault that replaces the token of a reply; `change` is for a reply of claims that are not signed."""

    def fault(call: Call) -> Response:
        reply = call.proceed()
        if reply.status_code != 200:
            return reply
        text = reply.get_data(as_text=True)
        if not reply.is_json:
            reply.set_data(again(text))
            return reply
        content = json.loads(text)
        if "id_token" in content:
            content["id_token"] = again(content["id_token"])
        elif change:
            change(content)
        reply.set_data(json.dumps(content))
        return reply

    return fault
