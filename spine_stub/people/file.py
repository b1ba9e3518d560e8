"""The usual directory: DIR/people.toml, read again as soon as somebody has changed it.

Whether it has changed is looked at on each use, by its date, size and inode; nothing is polled.
While what is in the file is wrong, the people that were read last go on to hold, and `problem`
says what is wrong, by person and field.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from ..folder import stamp_of
from .directory import Person, matches
from .toml import People, load_people

_log = logging.getLogger("spine_stub")


class PeopleFile:
    """A directory in one file."""

    def __init__(self, path: Path) -> None:
        """Read the file for the first time; raises DataError."""
        self.path = path
        self.problem = ""
        self._lock = threading.Lock()
        self._stamp = stamp_of(path)
        self._people = load_people(path)

    def person(self, uid: str) -> Person | None:
        return self._current().get(uid)

    def people(self, search: str = "", limit: int = 100) -> Sequence[Person]:
        everybody = sorted(self._current().values(), key=lambda person: person.uid)
        return [person for person in everybody if matches(person, search)][:limit]

    def release(self) -> None:
        """See Directory: there is nothing to let go of."""

    def _current(self) -> People:
        stamp = stamp_of(self.path)
        if stamp != self._stamp:
            with self._lock:
                if stamp != self._stamp:
                    self._reload()
                    self._stamp = stamp
        return self._people

    def _reload(self) -> None:
        try:
            self._people = load_people(self.path)
        except DataError as exc:
            self.problem = str(exc)
            _log.warning("%s; the people read before still hold", exc)
        else:
            self.problem = ""
            _log.info("%s has changed: %d people", self.path, len(self._people))
