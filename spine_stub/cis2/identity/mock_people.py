"""The people of NHS England's public mock, beside the broker's own.

They have no card, so the broker knows nothing of them. Each signs in at a level of their own, whatever the
application asks for, as in that mock: three at AAL2 and one at AAL1, so that it can be seen to refuse them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ...people.directory import Directory, Person, matches
from ...people.toml import People, load_people
from .assurance import MECHANISMS, SMARTCARD, Mechanism

_FILE = Path(__file__).with_name("mock_people.toml")
_UIDS = frozenset(str(uid) for uid in range(656005750104, 656005750113))
_WEAKER = {"656005750109": "TOTP", "656005750110": "USERPASS", "656005750111": "TOTP", "656005750112": "TOTP"}


class WithMockPeople:
    """A Directory that has them too. Where both have a uid, the broker's person is taken."""

    def __init__(self, own: Directory) -> None:
        self._own = own

    @property
    def problem(self) -> str:
        return self._own.problem

    def person(self, uid: str) -> Person | None:
        return self._own.person(uid) or self._mock.get(uid)

    def people(self, search: str = "", limit: int = 100) -> Sequence[Person]:
        """See Directory; the broker's own come first."""
        own = self._own.people(search, limit)
        others = [mock for mock in self._mock.values() if matches(mock, search) and not self._own.person(mock.uid)]
        return [*own, *others][:limit]

    def release(self) -> None:
        """See Directory; whoever has the broker's directory lets go of it."""

    @cached_property
    def _mock(self) -> People:
        return load_people(_FILE)


def is_mock(uid: str) -> bool:
    """Whether this is one of them, unless the broker has somebody with the same uid."""
    return uid in _UIDS


def usual_mechanism(uid: str) -> Mechanism:
    """How somebody signs in unless it is said otherwise: with a smartcard, all but a few of the mock's people."""
    return MECHANISMS[_WEAKER.get(uid, SMARTCARD.name)]
