"""What the record says of an event, and of what it has missed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from ..events import Event

WATCHING, AGENT_LOST, EVENTS_MISSED, LINES_LOST, ENDED = (
    "audit_watching",
    "agent_lost",
    "events_missed",
    "lines_lost",
    "audit_ended",
)
"""What the record tells of itself, beside the agent's events."""


def line(now: datetime, event: str, **fields: object) -> str:
    """Return a line of JSON; fields that are not known are left out."""
    known = {name: value for name, value in fields.items() if value not in (None, "")}
    return json.dumps({"time": now.isoformat(timespec="milliseconds"), "event": event, **known}, ensure_ascii=False)


def describe(event: Event) -> dict[str, Any]:
    """Return what is recorded of an event beside its time and its name."""
    role = event.role
    return {
        "reason": event.reason,
        "seconds": event.seconds,
        "session": event.session,
        "uid": event.uid,
        "name": event.cn,
        "role": role and role.name,
        "role_id": role and role.id,
        "org_code": role and role.org_code,
        "org_name": role and role.org_name,
        "reader": event.reader,
        "sequence": event.sequence,
    }


class Record:
    """The lines for what one connection to the agent tells, in order."""

    def __init__(self, first: Event, now: datetime) -> None:
        """`first`: what is so at the beginning, which is no event."""
        self._sequence = first.sequence
        self.beginning = line(now, WATCHING, state=first.happening, **describe(first))

    def lines(self, event: Event, now: datetime) -> list[str]:
        """Return the line of an event, and before it one of those that were missed."""
        missed = event.sequence - self._sequence - 1
        self._sequence = event.sequence
        gap = [line(now, EVENTS_MISSED, number=missed)] if missed > 0 else []
        return [*gap, line(now, event.happening, **describe(event))]
