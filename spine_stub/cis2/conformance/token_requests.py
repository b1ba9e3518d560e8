"""What an application's requests with a code or an access token say of it: /access_token and /userinfo.

Each function takes the steps of one client, oldest first, and returns what it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...config import CLOCK_SKEW
from ..clients.assertions import LONGEST as LONGEST_ASSERTION
from ..identity.claims import ROLE_SCOPES
from ..journal import Step
from ..tokens.codes import CODE_LIFETIME
from .evidence import Evidence
from .requests import requests, scopes


def token_requests(steps: Sequence[Step]) -> list[Step]:
    """The requests with a code."""
    return [step for step in steps if step.endpoint == "access_token"]


def code(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether each code is used once, and at once."""
    given = {step.sign_in: step.time for step in steps if step.endpoint == "code"}
    used: set[str] = set()
    for step in token_requests(steps):
        if step.sign_in not in given:
            continue
        after = step.time - given[step.sign_in]
        is_late = after > CODE_LIFETIME
        wrong = "it used the code a second time" if step.sign_in in used else ""
        wrong = wrong or ("that is too late: the code is gone by then" if is_late else "")
        sent = f"the code, {after.total_seconds():.0f} seconds after it was given" if is_late else "the code"
        yield Evidence.of(wrong, sent, "used once, at once", step.sign_in)
        used.add(step.sign_in)


def authenticated(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether the application says who it is, in the way it is registered for."""
    for step in token_requests(steps):
        method = str(step.sent.get("auth_method") or "nothing")
        wrong = step.refused if step.got.get("error") == "invalid_client" else ""
        yield Evidence.of(wrong, f"client authentication by {method}", "in the way it is registered", step.sign_in)


def assertion_audience(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether an assertion is for the token endpoint."""
    for step, _, claims in _assertions(steps):
        audience = claims.get("aud")
        names = audience if isinstance(audience, list) else [audience]
        is_right = all(isinstance(name, str) and name.endswith("/access_token") for name in names) and names
        wrong = "" if is_right else "it must be for the token endpoint"
        yield Evidence.of(wrong, f"assertion with aud {audience}", "for the token endpoint", step.sign_in)


def assertion_lifetime(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether an assertion ends within five minutes."""
    for step, _, claims in _assertions(steps):
        ends = claims.get("exp")
        if isinstance(ends, bool) or not isinstance(ends, int | float):
            yield Evidence.of("it never ends", "assertion without exp", "", step.sign_in)
            continue
        seconds = ends - step.time.timestamp()
        is_long = seconds > (LONGEST_ASSERTION + CLOCK_SKEW).total_seconds()
        wrong = f"whoever finds it can use it for {seconds / 60:.0f} minutes; 5 is the most" if is_long else ""
        wrong = "it has ended already" if seconds < 0 else wrong
        sent = f"assertion whose exp is {seconds:.0f} seconds away" if wrong else "assertion with exp"
        yield Evidence.of(wrong, sent, "within 5 minutes", step.sign_in)


def assertion_once(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether each assertion has a jti of its own."""
    used: set[str] = set()
    for step, _, claims in _assertions(steps):
        name = str(claims.get("jti") or "")
        wrong = "" if name else "without one it can be used again by whoever finds it"
        wrong = "it used the jti of an earlier assertion again" if name in used else wrong
        yield Evidence.of(wrong, "assertion with jti" if name else "assertion without jti", "a new one", step.sign_in)
        used.add(name)


def assertion_key(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether an assertion that a private key signed says by which of the client's keys."""
    for step, header, _ in _assertions(steps):
        if str(header.get("alg", "")).startswith("HS"):
            continue
        wrong = "" if header.get("kid") else "CIS2 cannot know which of the registered keys it is"
        sent = f"assertion with kid {header['kid']}" if header.get("kid") else "assertion without kid"
        yield Evidence.of(wrong, sent, "it names its key", step.sign_in)


def _assertions(steps: Sequence[Step]) -> Iterator[tuple[Step, Mapping[str, Any], Mapping[str, Any]]]:
    for step in token_requests(steps):
        header, claims = step.sent.get("assertion_header"), step.sent.get("assertion_claims")
        if isinstance(header, Mapping) and isinstance(claims, Mapping):
            yield step, header, claims


def userinfo(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether the application asks for the claims of the scopes that it asked for."""
    asked = {step.sign_in: scopes(step) for step in requests(steps)}
    called = {step.sign_in for step in steps if step.endpoint == "userinfo"}
    given = [step for step in token_requests(steps) if not step.refused and _has_claims(asked.get(step.sign_in, []))]
    for step in given:
        if step.sign_in in called:
            yield Evidence.of("", "GET /userinfo with the access token", "it asked for the claims", step.sign_in)
    if given and not any(step.sign_in in called for step in given):
        extra = " ".join(sorted({name for step in given for name in _has_claims(asked[step.sign_in])}))
        yield Evidence.of("it never asked /userinfo for that: ask for no more than is used", f"scope {extra}", "")


def _has_claims(names: Sequence[str]) -> list[str]:
    """The scopes whose claims are in userinfo alone."""
    return [name for name in names if name not in ("openid", *ROLE_SCOPES)]
