"""Who there is and which roles they hold, as the broker sees it, and where that is looked up.

A person and a role have a time: `active` is the person status of the Spine directory, `opened` and
`closed` are the open and close dates of a role there. The broker offers what holds today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol


@dataclass(frozen=True)
class Role:
    """One role of a person: `id` and `org_code` are attributes of the nhsjobrole parameter.

    The three mappings give names by code, for the role assertion (docs/protocol.md 6).
    """

    id: str
    org_code: str | None
    org_name: str
    group: str
    sub_group: str
    name: str
    code: str = ""
    business_functions: Mapping[str, str] = field(default_factory=dict)
    areas_of_work: Mapping[str, str] = field(default_factory=dict)
    work_groups: Mapping[str, str] = field(default_factory=dict)
    opened: date | None = None
    """The first day; None when it has always been open."""
    closed: date | None = None
    """The last day; None when no end is known."""

    @property
    def job(self) -> str:
        """The job role as replies and assertions quote it."""
        return f'"{self.group}":"{self.sub_group}":"{self.name}"'

    @property
    def text(self) -> str:
        """The whole text of an nhsjobrole parameter (docs/protocol.md 2)."""
        return f"{self.org_name}, {self.job}"

    def is_open(self, today: date) -> bool:
        return (self.opened is None or self.opened <= today) and (self.closed is None or today <= self.closed)


PROFESSIONS = ("consultant", "gdc", "gdp", "gmc", "gmp", "gphc", "nmc", "rcn")
"""Whose numbers a person can have: names of councils and lists, as the claims of CIS2 have them before "_id"."""


@dataclass(frozen=True)
class Person:
    """Somebody with a smartcard; `cn` is the name as it is shown."""

    uid: str
    cn: str
    roles: tuple[Role, ...]
    active: bool = True
    """Person status: who is not active does not sign in."""
    title: str = ""
    given_name: str = ""
    """Empty: the first word of cn."""
    middle_names: str = ""
    family_name: str = ""
    """Empty: the last word of cn."""
    email: str = ""
    identity_level: int = 3
    """How well it is known who this is, 0 to 3: NHS England's identity assurance level."""
    professional: Mapping[str, str] = field(default_factory=dict)
    """Numbers by profession, one of PROFESSIONS each."""
    ocs_pr_code: str = ""
    """The OCS practitioner code (docs/protocol.md 6); empty when there is none."""

    def role(self, role_id: str) -> Role | None:
        return next((role for role in self.roles if role.id == role_id), None)

    def on(self, today: date) -> Person:
        """Return the person with only the roles that are open on this day."""
        held = tuple(role for role in self.roles if role.is_open(today))
        return self if len(held) == len(self.roles) else replace(self, roles=held)


class Directory(Protocol):
    """Where people are looked up. Raises Unavailable when it cannot be reached."""

    @property
    def problem(self) -> str:
        """A sentence on what is wrong with it now; empty when it is well."""

    def person(self, uid: str) -> Person | None:
        """Return the person of this uid, with all roles, if there is one."""

    def people(self, search: str = "", limit: int = 100) -> Sequence[Person]:
        """Return people whose uid, name, role or organisation contains `search`, by uid."""

    def release(self) -> None:
        """Let go of connections: nothing else is asked of the directory after this."""


def matches(person: Person, search: str) -> bool:
    """Whether a search finds a person; capitals do not matter."""
    words = " ".join((person.uid, person.cn, *(f"{role.id} {role.org_code} {role.text}" for role in person.roles)))
    return search.casefold() in words.casefold()
