"""People with as many roles as a test wants, whatever their own are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..people.directory import Directory, Person, Role

_FIRST_ID = 555_900_000_000


@dataclass(frozen=True)
class WithMadeUpRoles:
    """A directory whose people all hold this many roles."""

    directory: Directory
    count: int

    @property
    def problem(self) -> str:
        """What is wrong with the real directory."""
        return self.directory.problem

    def person(self, uid: str) -> Person | None:
        """Return the person of this uid, with made-up roles."""
        person = self.directory.person(uid)
        return replace(person, roles=tuple(map(_role, range(self.count)))) if person else None

    def people(self, search: str = "", limit: int = 100) -> Sequence[Person]:
        """Return the people of the real directory."""
        return self.directory.people(search, limit)

    def release(self) -> None:
        """Leave the real directory as it is: others use it."""


def _role(number: int) -> Role:
    return Role(
        id=str(_FIRST_ID + number),
        org_code=f"T{number:05}",
        org_name=f"TEST SURGERY {number + 1}, O'BRIEN & SONS (EAST)",
        group="Clinical",
        sub_group="Clinical Provision",
        name="Clinical Practitioner Access Role",
        code="S8000:G8000:R8000",
    )
