"""How surely somebody must have signed in, and whether somebody has: acr_values, prompt and max_age.

NHS England's "Authenticator guidance for developers" has the levels: AAL3 for hardware that cannot be phished, AAL2 for
two factors, AAL1 for a password, which only test environments take. The names of classes and mechanisms are those
that public applications ask for and check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from .sessions import Authentication

USUAL_CLASS = "AAL3_ANY"
"""What is asked for when nothing known is: OpenID Connect Core 1.0, section 3.1.2.1, makes acr_values a wish."""
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_MOST_SECONDS = 10**10
"""More is no longer a time. Milliseconds that were taken for seconds are below it, and are taken as they are said."""


@dataclass(frozen=True)
class Mechanism:
    """A way to prove who one is: its name as `amr` has it, its level, and what people call it."""

    name: str
    aal: int
    title: str

    def at(self, uid: str, time: datetime, ial: int = 3) -> Authentication:
        """What is known of somebody who has just used it."""
        return Authentication(uid, time, self.name, self.aal, ial)


MECHANISMS: Mapping[str, Mechanism] = {
    mechanism.name: mechanism
    for mechanism in (
        Mechanism("N3_SMARTCARD", 3, "Smartcard"),
        Mechanism("CIS2_SMARTCARD", 3, "Smartcard without an agent"),
        Mechanism("FIDO2", 3, "Security key"),
        Mechanism("WINDOWS_HELLO", 3, "Windows Hello"),
        Mechanism("IOS", 3, "iPad app"),
        Mechanism("TOTP", 2, "Microsoft Authenticator"),
        Mechanism("NHSMAIL", 2, "NHS.net Connect"),
        Mechanism("USERPASS", 1, "Password"),
    )
}
SMARTCARD = MECHANISMS["N3_SMARTCARD"]

CLASSES: Mapping[str, frozenset[str]] = {
    "AAL3_ANY": frozenset(name for name, mechanism in MECHANISMS.items() if mechanism.aal == 3),
    "AAL2_OR_AAL3_ANY": frozenset(name for name, mechanism in MECHANISMS.items() if mechanism.aal >= 2),
    "AAL2_ANY": frozenset(name for name, mechanism in MECHANISMS.items() if mechanism.aal == 2),
    "AAL3_SMARTCARD": frozenset({"N3_SMARTCARD", "CIS2_SMARTCARD"}),
    **{f"AAL{mechanism.aal}_{name}": frozenset({name}) for name, mechanism in MECHANISMS.items()},
}
"""The mechanisms that satisfy each authentication context class."""


@dataclass(frozen=True)
class Wanted:
    """What an application asks for in one authorization request."""

    classes: tuple[str, ...] = (USUAL_CLASS,)
    """Authentication context classes, the best first; one of them is enough."""
    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    """After how many seconds a sign-in is too old."""

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Wanted:
        """Read acr_values, prompt and max_age; raises ValueError with a sentence for what no request may say."""
        asked = parameters.get("acr_values", "").split()
        return cls(
            tuple(name for name in asked if name in CLASSES) or (USUAL_CLASS,),
            _prompts(parameters.get("prompt", "").split()),
            _seconds(parameters.get("max_age", "")),
        )

    def offered(self) -> list[Mechanism]:
        """The mechanisms that are enough, in the order in which they are shown."""
        enough = frozenset().union(*(CLASSES[name] for name in self.classes))
        return [mechanism for name, mechanism in MECHANISMS.items() if name in enough]

    def is_enough(self, authentication: Authentication) -> bool:
        """Whether somebody has signed in surely enough, at whatever time."""
        return any(authentication.mechanism in CLASSES[name] for name in self.classes)

    def is_met_by(self, authentication: Authentication, now: datetime) -> bool:
        """Whether an earlier sign-in spares the person a new one."""
        asks_again = self.prompts & {"login", "select_account"}
        return not asks_again and self._is_recent(authentication, now) and self.is_enough(authentication)

    def acr(self, authentication: Authentication) -> str:
        """The class that was asked for and is satisfied; where none is, the mechanism itself.

        That is how the real one's tokens have it: "The acr claim states that the business rules for the class were
        satisfied, it is not intended to indicate how they were satisfied" (section "ACR and AMR values").
        """
        satisfied = (name for name in self.classes if authentication.mechanism in CLASSES[name])
        return next(satisfied, authentication.acr)

    def _is_recent(self, authentication: Authentication, now: datetime) -> bool:
        return self.max_age is None or now - authentication.time <= timedelta(seconds=self.max_age)


def _prompts(asked: Iterable[str]) -> frozenset[str]:
    prompts = frozenset(asked)
    if "none" in prompts and len(prompts) > 1:
        raise ValueError("prompt has none and something else")
    if unknown := prompts - PROMPTS:
        raise ValueError(f"prompt has an unknown value: {min(unknown)[:40]!r}")
    return prompts


def _seconds(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:20]) < _MOST_SECONDS):
        raise ValueError("max_age is not a number of seconds")
    return int(text)
