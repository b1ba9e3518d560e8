"""What an application's requests to sign somebody in say of it: the parameters at /authorize.

Each function takes the steps of one client, oldest first, and returns what it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from ...config import LOOPBACK
from ..identity.assurance import CLASSES
from ..identity.claims import ROLE_SCOPES, SCOPES
from ..journal import Step
from .evidence import Evidence

Observe = Callable[[Sequence[Step]], Iterator[Evidence]]

_AGES = range(240, 301)
_SHORTEST = 16
"""Characters of a state or nonce that nobody can guess: 96 bits in base64url."""
_MILLISECONDS = range(240_000, 300_001)


def requests(steps: Sequence[Step]) -> list[Step]:
    """The requests to sign somebody in."""
    return [step for step in steps if step.endpoint == "authorize"]


def text(step: Step, name: str) -> str:
    """A parameter of a request; nothing when it was not sent."""
    value = step.sent.get(name)
    return value if isinstance(value, str) else ""


def scopes(step: Step) -> list[str]:
    """The scopes that a request asks for."""
    return text(step, "scope").split()


def fresh(name: str) -> Observe:
    """Whether a value is long, and another one for each sign-in that came to its end."""

    def observe(steps: Sequence[Step]) -> Iterator[Evidence]:
        ended = {step.sign_in for step in steps if step.endpoint == "access_token"}
        used: set[str] = set()
        for step in requests(steps):
            value = text(step, name)
            is_used = value in used and step.sign_in in ended
            sent = f"{name} of {len(value)} characters" if value else f"no {name}"
            right = "a new one for each sign-in, too long to be guessed"
            yield Evidence.of(_not_fresh(name, value, is_used), sent, right, step.sign_in)
            if step.sign_in in ended:
                used.add(value)

    return observe


def _not_fresh(name: str, value: str, is_used: bool) -> str:
    if not value:
        return f"its requests have no {name}"
    if is_used:
        return f"it used the {name} of an earlier sign-in again"
    return "" if len(value) >= _SHORTEST else f"a {name} so short can be guessed"


def max_age(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether the person must have signed in within the last 240 to 300 seconds, or is asked to anew."""
    for step in requests(steps):
        value = text(step, "max_age")
        if "login" in text(step, "prompt").split() and not value:
            yield Evidence.of("", "prompt=login", "the person signs in anew", step.sign_in)
            continue
        sent = f"max_age={value}" if value else "no max_age"
        yield Evidence.of(_wrong_age(value), sent, "within 240 to 300 seconds", step.sign_in)


def _wrong_age(value: str) -> str:
    if not value:
        return "a sign-in of any age will do"
    if not (value.isascii() and value.isdecimal() and len(value) < 12):
        return "that is no number of seconds"
    seconds = int(value)
    if seconds in _AGES:
        return ""
    unit = ": milliseconds, it seems" if seconds in _MILLISECONDS else ""
    return f"that is {_duration(seconds)}, and must be 240 to 300 seconds{unit}"


def _duration(seconds: int) -> str:
    for name, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds} seconds"


def assurance(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether the levels that are asked for are those that there are."""
    for step in requests(steps):
        asked = text(step, "acr_values").split()
        unknown = [value for value in asked if value not in CLASSES]
        wrong = f"CIS2 knows no {', '.join(unknown)}" if unknown else ""
        if asked:
            yield Evidence.of(wrong, f"acr_values={' '.join(asked)}", "levels that there are", step.sign_in)


def known_scopes(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether the scopes are known, among them openid, and do not grow from one request to the next."""
    smallest: set[str] = set()
    for step in requests(steps):
        asked = scopes(step)
        plain, twice = set(asked).difference(ROLE_SCOPES), sorted({name for name in asked if asked.count(name) > 1})
        sent = f"scope with {', '.join(twice)} more than once" if twice else f"scope={' '.join(asked)}"
        wrong = "the list grows from one request to the next" if twice else _wrong_scopes(asked, smallest)
        yield Evidence.of(wrong, sent, "known ones, and always the same", step.sign_in)
        if not smallest or plain < smallest:
            smallest = plain


def _wrong_scopes(asked: list[str], before: set[str]) -> str:
    unknown = sorted(set(asked).difference(SCOPES))
    if "openid" not in asked:
        return "openid is missing: this is no OpenID Connect request"
    if unknown:
        return f"CIS2 has no scope {', '.join(unknown)}"
    more = sorted(set(asked).difference(ROLE_SCOPES, before)) if before else []
    return f"more than an earlier request: {', '.join(more)}; ask for what is used, always the same" if more else ""


def one_role_scope(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether a role is asked for in one way: selectedrole or, to change it, changedrole."""
    for step in requests(steps):
        asked = sorted(set(ROLE_SCOPES).intersection(scopes(step)))
        wrong = "one takes the role that is selected, the other asks for another one" if len(asked) > 1 else ""
        if asked:
            yield Evidence.of(wrong, f"scope with {' and '.join(asked)}", "one of the two", step.sign_in)


def redirect(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether the code comes back over TLS, or stays on this machine."""
    for step in requests(steps):
        uri = text(step, "redirect_uri")
        try:
            parts = urlsplit(uri)
        except ValueError:
            continue
        is_safe = parts.scheme == "https" or parts.hostname in LOOPBACK
        wrong = "" if is_safe else "whoever is in between reads the code: https, or loopback"
        yield Evidence.of(wrong, f"redirect_uri={uri}", "https, or loopback", step.sign_in)


def pkce(steps: Sequence[Step]) -> Iterator[Evidence]:
    """Whether a code is bound to its request by SHA-256, where the application binds it."""
    for step in requests(steps):
        if not text(step, "code_challenge"):
            continue
        method = text(step, "code_challenge_method") or "plain"
        wrong = "" if method == "S256" else "whoever sees the request knows the verifier: use S256"
        yield Evidence.of(wrong, f"code_challenge_method={method}", "the code is bound to its request", step.sign_in)
