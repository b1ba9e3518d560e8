"""The sign-ins to applications, made of the journal's steps: what the console lists and takes apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .journal import Step

TITLES: Mapping[str, str] = {
    "authorize": "Asked to sign somebody in",
    "page": "The sign-in page",
    "role": "The role screen",
    "code": "Sent back with a code",
    "access_token": "The code changed into tokens",
    "userinfo": "Asked who it is",
    "logout": "Told that the session is over",
    "end_session": "Asked to log out",
}
_NOT_OF_A_SIGN_IN = ("jwks",)
_ALONE = "step-"
_TAKEN = (200, 204)
"""How an application says that it took a logout token (Back-Channel Logout 1.0, section 2.8)."""


@dataclass(frozen=True)
class OpenIdSignIn:
    """The steps of one sign-in to one application, in the order they came. One that belongs to none stands alone."""

    id: str
    steps: tuple[Step, ...]

    @property
    def begun(self) -> datetime:
        return self.steps[0].time

    @property
    def last(self) -> Step:
        return self.steps[-1]

    @property
    def client_id(self) -> str:
        """The application, as far as it said so."""
        return next((step.client_id for step in self.steps if step.client_id), "")

    @property
    def uid(self) -> str:
        """Who signed in; empty as long as nobody did."""
        subjects = (claims.get("sub") for step in self.steps for claims in _claims(step.got))
        return next((str(subject) for subject in subjects if subject), "")

    @property
    def bad(self) -> Step | None:
        """The last step that went wrong and that was not done right later."""
        latest = {step.endpoint: step for step in self.steps}.values()
        return max((step for step in latest if trouble_of(step)), key=lambda step: step.number, default=None)

    @property
    def faults(self) -> list[str]:
        """The faults that changed its replies."""
        return [step.fault for step in self.steps if step.fault]

    @property
    def outcome(self) -> str:
        """One word for the whole: begun, signed-in, logged-out, refused, failed or fault."""
        if self.bad:
            return state_of(self.bad)
        if self.faults:
            return "fault"
        done = {step.endpoint for step in self.steps}
        if done & {"logout", "end_session"}:
            return "logged-out"
        return "signed-in" if "access_token" in done else "begun"

    @property
    def trouble(self) -> str:
        """What went wrong last, in a sentence; nothing when nothing did."""
        if self.bad:
            return trouble_of(self.bad)
        return f"A fault was set: {self.faults[-1]}" if self.faults else ""


def trouble_of(step: Step) -> str:
    """What went wrong in a step, in a sentence: why CIS2 refused, or what an application said of its logout token."""
    status = step.got.get("status")
    if step.endpoint == "logout" and not step.refused and status not in _TAKEN:
        return f"The application answered its logout token with {status}"
    return step.refused


def state_of(step: Step) -> str:
    """One word for a step: ok, refused, failed or fault."""
    if trouble_of(step):
        return "failed" if step.endpoint == "logout" else "refused"
    return "fault" if step.fault else "ok"


def sign_ins(steps: Iterable[Step]) -> list[OpenIdSignIn]:
    """The sign-ins that these steps make, the one that began last first."""
    found: dict[str, list[Step]] = {}
    for step in steps:
        if step.endpoint not in _NOT_OF_A_SIGN_IN:
            found.setdefault(_id(step), []).append(step)
    made = [OpenIdSignIn(key, tuple(each)) for key, each in found.items()]
    return sorted(made, key=lambda sign_in: sign_in.steps[0].number, reverse=True)


def sign_in_of(steps: Iterable[Step], wanted: str) -> OpenIdSignIn | None:
    """The sign-in of this id."""
    found = tuple(step for step in steps if step.endpoint not in _NOT_OF_A_SIGN_IN and _id(step) == wanted)
    return OpenIdSignIn(wanted, found) if found else None


def id_of(step: Step) -> str:
    """The id of the sign-in that a step belongs to; empty where it belongs to none."""
    return "" if step.endpoint in _NOT_OF_A_SIGN_IN else _id(step)


def _id(step: Step) -> str:
    return step.sign_in or f"{_ALONE}{step.number}"


def _claims(got: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (value for value in got.values() if isinstance(value, dict))
