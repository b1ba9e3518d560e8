"""Wrong logout tokens, each wrong in one way that an application has to see (Back-Channel Logout 1.0, section 2.6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...faults import Kind
from ..logout.outbox import ENDPOINT
from .id_tokens import HOUR, OTHER_CLIENT, OTHER_ISSUER, algorithm, drop, plain, put
from .resigning import Change, Claims, Resigning, wrongly_signed

if TYPE_CHECKING:
    from ..provider import Provider


def kinds(provider: Provider) -> tuple[Kind, ...]:
    """The faults of logout tokens."""
    resigning = Resigning(provider)

    def changed(name: str, title: str, change: Change) -> Kind:
        return plain(name, title, resigning.claims(change), ENDPOINT)

    return (
        changed("logout-wrong-iss", "A logout token of another issuer", put(iss=OTHER_ISSUER)),
        changed("logout-wrong-aud", "A logout token for another application", put(aud=OTHER_CLIENT)),
        plain("logout-wrong-signature", "A logout token with a wrong signature", wrongly_signed(), ENDPOINT),
        algorithm("logout-wrong-alg", "A logout token signed with another algorithm", resigning, ENDPOINT),
        changed("logout-no-events", "A logout token without events", lambda claims: drop(claims, "events")),
        changed("logout-with-nonce", "A logout token with a nonce", put(nonce="a-nonce")),
        changed("logout-old", "A logout token of an hour ago", lambda claims: claims.update(iat=resigning.now - HOUR)),
        changed("logout-twice", "A logout token with the jti of the one before", partial(_again, provider)),
        changed("logout-no-subject", "A logout token of nobody", lambda claims: drop(claims, "sub", "sid")),
        changed("logout-is-id-token", "An ID token in place of a logout token", partial(_id_token, resigning)),
    )


def _again(provider: Provider, claims: Claims) -> None:
    """Take the jti of the last token that this client took; a first token stays as it is."""
    sent = provider.outbox.logouts(claims["aud"])
    taken = [logout.claims["jti"] for logout in sent if logout.status == 200 and "jti" in logout.claims]
    if taken:
        claims["jti"] = taken[-1]


def _id_token(resigning: Resigning, claims: Claims) -> None:
    drop(claims, "events", "jti", "cause")
    ends = resigning.now + HOUR
    claims.update(tokenName="id_token", nonce="a-nonce", acr="AAL3_ANY", auth_time=resigning.now, exp=ends)
