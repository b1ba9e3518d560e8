"""How surely somebody has said who they are, and whether that will do for what an application asks for.

The ladder of authentication context classes (acr_values) is CIS2's: a level, or one way of signing in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto

from .sessions import Authentication

MECHANISMS = {"N3_SMARTCARD": 3, "FIDO2": 3, "IOS": 3, "WINDOWS_HELLO": 3, "TOTP": 2, "NHSMAIL": 2, "USERPASS": 1}
"""The ways of signing in, with the authentication assurance level of each."""


class Decision(Enum):
    """What is done about a request."""

    GO_ON = auto()
    ASK = auto()
    REFUSE = auto()


def decide(asked: Mapping[str, str], known: Authentication | None, now: datetime) -> Decision:
    """Whether the authentication that there is will do, somebody is asked again, or, with prompt=none, refused."""
    prompts = asked.get("prompt", "").split()
    is_enough = known is not None and "login" not in prompts and _is_fresh(asked.get("max_age", ""), known, now)
    if is_enough and fits(asked.get("acr_values", ""), known):
        return Decision.GO_ON
    return Decision.REFUSE if "none" in prompts else Decision.ASK


def fits(acr_values: str, known: Authentication | None) -> bool:
    """Whether an authentication is one of those asked for; nothing asks for any."""
    return known is not None and (not acr_values or any(known.acr in _meant(acr) for acr in acr_values.split()))


def usual(acr_values: str) -> tuple[str, int]:
    """A mechanism and level that will do for what is asked: the smartcard, unless only others will."""
    meant = [acr for acr in acr_values.split() if _meant(acr)]
    if not meant:
        return "N3_SMARTCARD", 3
    best = next(m for m, aal in MECHANISMS.items() if any(f"AAL{aal}_{m}" in _meant(acr) for acr in meant))
    return best, MECHANISMS[best]


def _meant(acr: str) -> frozenset[str]:
    """The classes that a value of acr_values stands for."""
    every = {f"AAL{aal}_{mechanism}": aal for mechanism, aal in MECHANISMS.items()}
    if acr in ("AAL3_SMARTCARD", "AAL3_CIS2_SMARTCARD"):
        return frozenset({"AAL3_N3_SMARTCARD"})
    levels = {"AAL3_ANY": {3}, "AAL2_OR_AAL3_ANY": {2, 3}, "AAL2_ANY": {2}}.get(acr)
    if levels is None:
        return frozenset({acr} & every.keys())
    return frozenset(name for name, aal in every.items() if aal in levels)


def _is_fresh(max_age: str, known: Authentication, now: datetime) -> bool:
    if not max_age.isascii() or not max_age.isdigit():
        return True
    return now - known.time <= timedelta(seconds=min(int(max_age[:9]), 10**8))
