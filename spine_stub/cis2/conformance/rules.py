"""The rules of the conformance report: what an application under CIS2 must do, who says so, and how it is seen.

A rule is seen in what the application sends by itself, by active probes, or both; report.py puts that together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..journal import Step
from . import requests, token_requests
from .evidence import Evidence
from .probes import ANOTHER_BROWSER, HONEST_LOGOUT, Must, Probe, id_token, level, logout_token, parameter, role
from .requests import Observe

_CORE = "OpenID Connect Core 1.0, section"
_LOGOUT = "OpenID Connect Back-Channel Logout 1.0, section"
_SIGN_IN = "NHS England, CIS2 Authentication: Sign in journey"
_SESSIONS = "NHS England, CIS2 Authentication: Session management"
_SCOPES = "NHS England, CIS2 Authentication: Scopes and claims"
_ROLES = "NHS England, CIS2 Authentication: Role selection"
_KEYS = "NHS England, CIS2 Authentication: Key management"
_CHANGES = "NHS England, CIS2 Authentication: Detailed guidance, Changes"


def unseen(_: Sequence[Step]) -> Iterator[Evidence]:
    """Nothing: the rule is about what the application does with what it gets."""
    return iter(())


@dataclass(frozen=True)
class Rule:
    """Something that an application must do."""

    name: str
    """For JSON and JUnit; a promise."""
    says: str
    guidance: str
    """Where that is written, for everybody to read."""
    observe: Observe = unseen
    """What the application's own requests say of it."""
    probes: tuple[Probe, ...] = ()
    wanting: str = ""
    """What to do to see more, where nothing was seen."""


REQUEST = (
    Rule(
        "state-sent",
        "Each sign-in has a state of its own that cannot be guessed",
        f"{_CHANGES} (26 May 2021); RFC 6749, section 10.12",
        requests.fresh("state"),
    ),
    Rule(
        "state-checked",
        "A sign-in that comes back with another state is refused",
        f"{_CHANGES} (26 May 2021); RFC 6749, section 10.12",
        probes=(Probe("wrong-state", "authorize", "a redirect with another state", needs=parameter("state")),),
    ),
    Rule(
        "state-bound",
        "A sign-in that another browser began is refused",
        f"{_CHANGES} (26 May 2021); RFC 6749, section 10.12",
        probes=(ANOTHER_BROWSER,),
        wanting="Seen only where the probe itself is the browser, without --sign-in.",
    ),
    Rule(
        "nonce-sent",
        "Each sign-in has a nonce of its own that cannot be guessed",
        f"{_CORE} 3.1.2.1 and 15.5.2",
        requests.fresh("nonce"),
    ),
    Rule(
        "max-age",
        "A fresh sign-in is asked for: max_age is 240 to 300, in seconds",
        f"{_SESSIONS}; {_CORE} 3.1.2.1",
        requests.max_age,
    ),
    Rule(
        "acr-values",
        "The levels that are asked for in acr_values are those of CIS2",
        f"{_SIGN_IN}",
        requests.assurance,
        wanting="The application asks for no acr_values.",
    ),
    Rule(
        "scopes",
        "The scopes are known ones, and do not grow from one request to the next",
        f"{_SCOPES}; {_CORE} 5.4",
        requests.known_scopes,
    ),
    Rule(
        "one-role-scope",
        "selectedrole and changedrole are not asked for together",
        f"{_ROLES}",
        requests.one_role_scope,
        wanting="The application asks for no role.",
    ),
    Rule(
        "redirect-uri",
        "The code comes back over https, or to this machine",
        "RFC 6749, section 3.1.2.1; RFC 8252, section 7.3",
        requests.redirect,
    ),
    Rule(
        "pkce",
        "Where PKCE is used, its method is S256",
        "RFC 7636, section 4.2; RFC 9700, section 2.1.1",
        requests.pkce,
        wanting="The application sends no code_challenge. RFC 9700 recommends it.",
    ),
)
TOKEN_REQUEST = (
    Rule("code-once", "A code is used once, and at once", "RFC 6749, section 4.1.2", token_requests.code),
    Rule(
        "client-authentication",
        "The application says who it is, in the way it is registered for",
        f"{_KEYS}; {_CORE} 9",
        token_requests.authenticated,
    ),
    Rule(
        "assertion-audience",
        "A client assertion is for the token endpoint",
        f"{_KEYS}; RFC 7523, section 3",
        token_requests.assertion_audience,
        wanting="The application sends no client assertion.",
    ),
    Rule(
        "assertion-lifetime",
        "A client assertion ends within five minutes",
        f"{_KEYS}; RFC 7523, section 3",
        token_requests.assertion_lifetime,
        wanting="The application sends no client assertion.",
    ),
    Rule(
        "assertion-once",
        "A client assertion has a jti of its own",
        f"{_KEYS}; {_CORE} 9",
        token_requests.assertion_once,
        wanting="The application sends no client assertion.",
    ),
    Rule(
        "assertion-key",
        "A client assertion names its key: kid",
        f"{_KEYS}",
        token_requests.assertion_key,
        wanting="The application signs no client assertion with a private key.",
    ),
)
ID_TOKEN = (
    Rule(
        "id-token-issuer",
        "iss is the issuer, as a text, with port and all",
        f"{_CORE} 3.1.3.7, rule 2",
        probes=(id_token("wrong-iss", "of another issuer"),),
    ),
    Rule(
        "id-token-audience",
        "aud is the application",
        f"{_CORE} 3.1.3.7, rule 3",
        probes=(id_token("wrong-aud", "for another application"),),
    ),
    Rule(
        "id-token-signature",
        "The signature is checked, by the algorithm that was agreed on",
        f"NHS England, CIS2 Authentication: Signatures; {_CORE} 3.1.3.7, rules 6 and 7; RFC 8725, section 3.1",
        probes=(
            id_token("wrong-signature", "with another signature"),
            id_token("wrong-alg", "signed by another algorithm"),
            id_token("wrong-alg", "signed with the public key for a secret", "HS256"),
            id_token("alg-none", "with alg none and no signature"),
        ),
    ),
    Rule(
        "id-token-times",
        "An ID token that has expired, or holds only later, is refused",
        f"{_CORE} 3.1.3.7, rule 9; RFC 7519, section 4.1.5",
        probes=(id_token("expired-token", "that has expired"), id_token("not-yet-valid", "that holds only later")),
    ),
    Rule(
        "nonce-checked",
        "The nonce is the one that was sent",
        f"{_CORE} 3.1.3.7, rule 11",
        probes=(
            id_token("wrong-nonce", "with another nonce", needs=parameter("nonce")),
            id_token("missing-claims", "without a nonce", "nonce", parameter("nonce")),
        ),
    ),
    Rule(
        "auth-time-checked",
        "auth_time is checked, because max_age and prompt can be taken out of the request in the browser",
        f"{_CHANGES} (25 Aug 2021); {_CORE} 3.1.3.7, rule 13",
        probes=(id_token("old-auth-time", "of somebody who signed in long ago"),),
    ),
    Rule(
        "assurance-checked",
        "The assurance level is at least the one that was asked for; none at all is too low",
        f"{_CORE} 3.1.3.7, rule 12; {_SIGN_IN}",
        probes=(
            id_token("low-assurance", "of a lower level", needs=level),
            id_token("missing-claims", "without a level", "acr authentication_assurance_level", level),
        ),
    ),
    Rule(
        "key-rotation",
        "A new signing key is looked up when it is first used",
        f"{_KEYS}; {_CORE} 10.1.1",
        probes=(Probe("rotate-keys", "access_token", "an ID token signed with a new key", Must.SIGN_IN),),
    ),
)
PERSON = (
    Rule("userinfo-asked", "The claims that are asked for are used", f"{_SCOPES}", token_requests.userinfo),
    Rule(
        "userinfo-subject",
        "sub of userinfo is sub of the ID token",
        f"{_CORE} 5.3.2",
        probes=(Probe("wrong-sub", "userinfo", "userinfo of another person"),),
        wanting="The application did not ask for userinfo.",
    ),
    Rule(
        "selected-role",
        "The role is the one of selected_roleid, and nobody has a role that is unknown",
        f"{_ROLES}",
        probes=(id_token("unknown-role", "with a selected_roleid that is no role of the person", needs=role),),
    ),
    Rule(
        "errors",
        "An error in place of a code signs nobody in",
        "RFC 6749, section 4.1.2.1",
        probes=(
            Probe("access-denied", "authorize", "a redirect with error=access_denied"),
            Probe("temporarily-unavailable", "authorize", "a redirect with error=temporarily_unavailable"),
        ),
    ),
)
LOG_OUT = (
    Rule(
        "logout-ends",
        "A logout token signs the person out",
        f"{_SESSIONS}; {_LOGOUT} 2.7",
        probes=(HONEST_LOGOUT,),
        wanting="The application has no backchannel_logout_uri: give it one in clients.toml.",
    ),
    Rule(
        "logout-issuer-audience",
        "A logout token of another issuer, or for another application, ends nothing",
        f"{_LOGOUT} 2.6, rule 4",
        probes=(
            logout_token("logout-wrong-iss", "of another issuer"),
            logout_token("logout-wrong-aud", "for another application"),
        ),
    ),
    Rule(
        "logout-signature",
        "The signature of a logout token is checked",
        f"{_LOGOUT} 2.6, rules 2 and 3",
        probes=(
            logout_token("logout-wrong-signature", "with another signature"),
            logout_token("logout-wrong-alg", "signed by another algorithm"),
            logout_token("logout-wrong-alg", "signed with the public key for a secret", "HS256"),
        ),
    ),
    Rule(
        "logout-kind",
        "Nothing but a logout token ends anything: it has the event, and no nonce",
        f"{_LOGOUT} 2.6, rules 6 and 7",
        probes=(
            logout_token("logout-no-events", "without the event"),
            logout_token("logout-with-nonce", "with a nonce"),
            logout_token("logout-is-id-token", "that is an ID token"),
        ),
    ),
    Rule(
        "logout-fresh",
        "An old logout token ends nothing",
        f"{_LOGOUT} 2.6, rule 4; {_SESSIONS}",
        probes=(logout_token("logout-old", "of an hour ago"),),
    ),
    Rule(
        "logout-once",
        "A logout token is taken once: jti",
        f"{_LOGOUT} 2.6, rule 8",
        probes=(logout_token("logout-twice", "whose jti it has taken before"),),
    ),
    Rule(
        "logout-subject",
        "A logout token that names neither person nor session ends nothing",
        f"{_LOGOUT} 2.6, rule 5",
        probes=(logout_token("logout-no-subject", "without sub and sid"),),
    ),
)
GROUPS = {
    "The request": REQUEST,
    "The code and the client": TOKEN_REQUEST,
    "The ID token": ID_TOKEN,
    "The person and the role": PERSON,
    "Log-out": LOG_OUT,
}
RULES = tuple(rule for rules in GROUPS.values() for rule in rules)
