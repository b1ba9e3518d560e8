"""The fields of a JSON body, each of one kind; what is wrong is a DataError with a sentence that names the field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ...errors import DataError

_LONGEST = 2000
MOST_SECONDS = 10 * 365 * 24 * 3600
"""How far the clock can be moved in one request: ten years."""


class Fields:
    """What a body says."""

    def __init__(self, body: Mapping[str, Any], known: Collection[str]) -> None:
        """Raises DataError for a field that is not `known`."""
        unknown = sorted(set(body) - set(known))
        if unknown:
            raise DataError(f"unknown: {', '.join(unknown)[:100]}; known: {', '.join(sorted(known)) or 'none'}")
        self._body = body

    def __contains__(self, name: str) -> bool:
        return self._body.get(name) not in (None, "")

    def text(self, name: str) -> str:
        """A text; empty where there is none."""
        value = self._body.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > _LONGEST):
            raise DataError(f"{name} is not a short text")
        return value or ""

    def flag(self, name: str) -> bool:
        """True or false; false where nothing is said."""
        value = self._body.get(name, False)
        if not isinstance(value, bool):
            raise DataError(f"{name} is not true or false")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number."""
        value = self._body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise DataError(f"{name} is not a whole number from {least} to {most}")
        return value

    def duration(self, name: str) -> timedelta:
        """Seconds, into the future or back."""
        return timedelta(seconds=self.number(name, 0, -MOST_SECONDS, MOST_SECONDS))

    def time(self, name: str) -> datetime:
        """A point in time as RFC 3339 writes it; without a zone it is UTC."""
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError as exc:
            raise DataError(f'{name} is not a time such as "2026-11-27T09:30:00Z"') from exc
        return found if found.tzinfo else found.replace(tzinfo=UTC)
