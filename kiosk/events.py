"""What the agent's Watch tells of a session, checked before anything is done about it.

Everything that comes over the socket is of a stated type and length, or the whole event is refused: its texts become
environment variables of programs, and lines of a log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import AgentBroken

MOST_TEXT = 500
MOST_NUMBER = 1 << 53  # what JSON's numbers hold exactly everywhere (RFC 8259, section 6)

_SESSION = re.compile("[0-9a-f]{0,64}")


class Happening(StrEnum):
    """The events of lanyard.Agent.Watch."""

    SIGNED_IN = "signed_in"
    LOCKED = "locked"
    RESUMED = "resumed"
    ROLE_CHANGED = "role_changed"
    SIGNED_OUT = "signed_out"


@dataclass(frozen=True)
class Role:
    """The role that a person works in: an id of the broker's, and the words for it."""

    id: str
    name: str
    org_code: str
    org_name: str


@dataclass(frozen=True)
class Event:
    """One event. `session` is empty where nobody has been signed in yet, and names no ticket.

    `sequence` counts events from the agent's start on; `seconds` is how long it took, None where that is not known.
    """

    happening: Happening
    sequence: int
    session: str
    reason: str
    uid: str
    cn: str
    role: Role | None
    reader: str
    seconds: float | None

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> Event:
        """Raises AgentBroken for what is no event, or one that this version does not know."""
        if not _SESSION.fullmatch(_text(parameters, "session")):  # it names a folder
            raise AgentBroken("The agent's event has a session that is no number.")
        texts = {name: _text(parameters, name) for name in ("session", "reason", "uid", "cn", "reader")}
        return cls(
            happening=_happening(parameters),
            sequence=_sequence(parameters),
            role=_role(parameters.get("role")),
            seconds=_seconds(parameters.get("seconds")),
            **texts,
        )


def _happening(parameters: Mapping[str, Any]) -> Happening:
    try:
        return Happening(_text(parameters, "event"))
    except ValueError:
        raise AgentBroken("The agent tells of an event that is not known here: it may be newer.") from None


def _sequence(parameters: Mapping[str, Any]) -> int:
    value = parameters.get("sequence")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NUMBER:
        raise AgentBroken("The agent's event has no sequence number.")
    return value


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_NUMBER:
        raise AgentBroken("The agent's event has a time that is none.")
    return float(value)  # of "NaN", too, no comparison is true


def _role(value: object) -> Role | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise AgentBroken("The agent's event has a role that is none.")
    return Role(**{name: _text(value, name) for name in ("id", "name", "org_code", "org_name")})


def _text(parameters: Mapping[str, Any], name: str) -> str:
    """Return a text in one line; empty where there is none. Raises AgentBroken."""
    value = parameters.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_TEXT or not value.isprintable():
        raise AgentBroken(f"The agent's event has a {name} that is not a line of text.")
    return value
