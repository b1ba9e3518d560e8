"""Wrong ID tokens and wrong claims about people. Each can be set for userinfo as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Response

from ...faults import Call, Fault, Kind
from ..clients.registry import SIGNING
from .resigning import Change, Claims, Resigning, unsigned, wrongly_signed

if TYPE_CHECKING:
    from ..provider import Provider

TOKENS, USERINFO = "access_token", "userinfo"
HOUR = 3600
OTHER_ISSUER = "https://issuer.example/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare"
OTHER_CLIENT = "another-application"
NOBODY = "555999999999"
NO_ROLE = "999999999999"
_ALGORITHMS = ("RS512", "PS256", "HS256")
_NAMES = "acr authentication_assurance_level"


def kinds(provider: Provider) -> tuple[Kind, ...]:
    """The faults of ID tokens and userinfo."""
    resigning = Resigning(provider)
    rotated = partial(_rotated, provider)

    def changed(name: str, title: str, change: Change, endpoint: str = TOKENS) -> Kind:
        return plain(name, title, resigning.claims(change), endpoint)

    return (
        changed("wrong-iss", "A token of another issuer", put(iss=OTHER_ISSUER)),
        changed("wrong-aud", "A token for another application", put(aud=OTHER_CLIENT)),
        algorithm("wrong-alg", "A token signed with another algorithm", resigning, TOKENS),
        plain("alg-none", "A token that nobody signed", unsigned(), TOKENS),
        plain("wrong-signature", "A token with a wrong signature", wrongly_signed(), TOKENS),
        changed("expired-token", "A token that has expired", lambda claims: claims.update(exp=resigning.now - HOUR)),
        changed("not-yet-valid", "A token of the future", partial(_later, resigning)),
        changed("wrong-nonce", "A token with another nonce", put(nonce="another-nonce")),
        changed("wrong-sub", "Userinfo of somebody else", put(sub=NOBODY), USERINFO),
        plain("rotate-keys", "Sign with a new key from now on", rotated, TOKENS),
        changed("low-assurance", "Signed in at a lower level than was asked", _low_assurance),
        Kind("old-auth-time", "Signed in long ago", partial(_old, resigning), "seconds", str(HOUR), endpoint=TOKENS),
        changed("no-role", "No role was selected", lambda claims: drop(claims, "selected_roleid", "nhsid_nrbac_roles")),
        changed("unknown-role", "A selected role that is none of the person's", put(selected_roleid=NO_ROLE)),
        Kind("missing-claims", "Claims are missing", partial(_missing, resigning), "names", _NAMES, endpoint=TOKENS),
    )


def plain(name: str, title: str, fault: Fault, endpoint: str) -> Kind:
    """A kind that takes no value."""
    return Kind(name, title, lambda _: fault, endpoint=endpoint)


def algorithm(name: str, title: str, resigning: Resigning, endpoint: str) -> Kind:
    """A token that is right but for the algorithm of its signature."""

    def make(value: str) -> Fault:
        if value not in (*SIGNING, "HS256"):
            raise ValueError(value)
        return resigning.algorithm(value)

    return Kind(name, title, make, "the algorithm", _ALGORITHMS[0], _ALGORITHMS, endpoint)


def put(**claims: Any) -> Callable[[Claims], None]:
    """A change that puts claims in place of what was there."""
    return lambda found: found.update(claims)


def drop(claims: Claims, *names: str) -> None:
    """Leave claims out."""
    for name in names:
        claims.pop(name, None)


def _later(resigning: Resigning, claims: Claims) -> None:
    begins = resigning.now + HOUR
    claims.update(iat=begins, nbf=begins, exp=begins + HOUR)


def _low_assurance(claims: Claims) -> None:
    low = 1 if isinstance(claims.get("authentication_assurance_level"), int) else "1"
    claims.update(acr="AAL1_USERPASS", amr=["USERPASS"], authentication_assurance_level=low)


def _old(resigning: Resigning, seconds: str) -> Fault:
    age = int(seconds)
    return resigning.claims(lambda claims: claims.update(auth_time=resigning.now - age))


def _missing(resigning: Resigning, names: str) -> Fault:
    listed: Iterable[str] = names.replace(",", " ").split()
    return resigning.claims(lambda claims: drop(claims, *listed))


def _rotated(provider: Provider, call: Call) -> Response:
    provider.keys.rotate()
    return call.proceed()
