"""What an application is sent to see whether it notices: each probe is one fault, and what it must do then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from ..identity.claims import ROLE_SCOPES

Asked = Mapping[str, str]
"""The parameters of the honest request at /authorize."""
Needs = Callable[[Asked], str]
"""Why a request is one that the probe says nothing of; nothing when it does."""


class Must(Enum):
    """What an application must do when it is sent a fault."""

    NOT_SIGN_IN = "sign nobody in"
    SIGN_IN = "sign in all the same"
    STAY = "keep the person signed in"
    END = "sign the person out"


def nothing(_: Asked) -> str:
    """It can always be made."""
    return ""


def parameter(name: str) -> Needs:
    """It says nothing of a request without this parameter."""
    return lambda asked: "" if asked.get(name) else f"the application sends no {name}"


def role(asked: Asked) -> str:
    """It says nothing where no role was to be selected."""
    is_asked = set(ROLE_SCOPES) & set(asked.get("scope", "").split())
    return "" if is_asked else "the application asks for no role"


def level(asked: Asked) -> str:
    """It says nothing where any level will do."""
    wanted = asked.get("acr_values", "").split()
    if not wanted:
        return "the application asks for no acr_values"
    return "the application asks for AAL1, which is the lowest" if any(w.startswith("AAL1") for w in wanted) else ""


@dataclass(frozen=True)
class Probe:
    """A fault that the application is sent."""

    fault: str
    endpoint: str
    sent: str
    must: Must = Must.NOT_SIGN_IN
    value: str = ""
    needs: Needs = nothing

    @property
    def name(self) -> str:
        """The fault with its value, as faults and reports show it."""
        return f"{self.fault} {self.value}".strip()


def id_token(fault: str, sent: str, value: str = "", needs: Needs = nothing) -> Probe:
    """A fault of the ID token, which must sign nobody in."""
    return Probe(fault, "access_token", f"an ID token {sent}", value=value, needs=needs)


def logout_token(fault: str, sent: str, value: str = "") -> Probe:
    """A wrong logout token, which must end nothing."""
    return Probe(fault, "backchannel-logout", f"a logout token {sent}", Must.STAY, value)


HONEST_LOGOUT = Probe("", "backchannel-logout", "a logout token as it should be", Must.END)
ANOTHER_BROWSER = Probe("another-browser", "authorize", "the way back of a sign-in that another browser began")
"""Not a fault of the stub: the probe opens in one browser what another one got."""
