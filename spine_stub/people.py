"""Who there is, and which roles they hold: people.toml (shape in that file's own comments)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .errors import DataError

_UID = re.compile(r"[0-9]{12}")
_PLAIN = re.compile(r"[A-Za-z0-9:._-]*")
_TEXT = re.compile(r"[^<>\x00-\x1f\x7f]+")
"""Text of a role goes into replies as it stands, raw `&` and all: so no markup, no line ends."""


@dataclass(frozen=True)
class Role:
    """One role of a person: `id` and `org_code` as in the nhsjobrole parameter's attributes."""

    id: str
    org_code: str | None
    org_name: str
    group: str
    sub_group: str
    name: str
    code: str

    @property
    def job(self) -> str:
        """As quoted in replies and assertions: "Group":"Sub-group":"Role"."""
        return f'"{self.group}":"{self.sub_group}":"{self.name}"'

    @property
    def text(self) -> str:
        """The whole text of an nhsjobrole parameter (nhs-facts.md 3.2)."""
        return f"{self.org_name}, {self.job}"


@dataclass(frozen=True)
class Person:
    uid: str
    cn: str
    roles: tuple[Role, ...]

    def role(self, role_id: str) -> Role | None:
        return next((role for role in self.roles if role.id == role_id), None)


class Directory(Protocol):
    """Where people are looked up."""

    def person(self, uid: str) -> Person | None: ...


@dataclass(frozen=True)
class People:
    """A directory read from one file."""

    by_uid: Mapping[str, Person]

    def person(self, uid: str) -> Person | None:
        return self.by_uid.get(uid)

    @classmethod
    def load(cls, path: Path) -> People:
        """Read people.toml; raises DataError with a sentence that says where it is wrong."""
        try:
            people = [_person(entry) for entry in _entries(path)]
        except ValueError as exc:
            raise DataError(f"{path}: {exc}") from exc
        by_uid = {person.uid: person for person in people}
        if len(by_uid) != len(people):
            raise DataError(f"{path}: two people have the same uid")
        return cls(by_uid)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}") from exc
    entries = document.get("person", [])
    if not isinstance(entries, list):
        raise ValueError("each person starts with [[person]]")
    return entries


def _person(entry: dict[str, Any]) -> Person:
    uid = _field(entry, "uid", _UID, "a person")
    roles = tuple(_role(role, uid) for role in entry.get("roles", []))
    if len({role.id for role in roles}) != len(roles):
        raise ValueError(f"person {uid}: two roles have the same id")
    return Person(uid=uid, cn=_field(entry, "cn", _TEXT, f"person {uid}"), roles=roles)


def _role(entry: dict[str, Any], uid: str) -> Role:
    owner = f"a role of person {uid}"
    return Role(
        id=_field(entry, "id", _PLAIN, owner),
        org_code=_field(entry, "org_code", _PLAIN, owner) if "org_code" in entry else None,
        org_name=_field(entry, "org_name", _TEXT, owner),
        group=_field(entry, "group", _TEXT, owner),
        sub_group=_field(entry, "sub_group", _TEXT, owner),
        name=_field(entry, "name", _TEXT, owner),
        code=_field(entry, "code", _PLAIN, owner) if "code" in entry else "",
    )


def _field(entry: dict[str, Any], key: str, form: re.Pattern[str], owner: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(f"{owner}: {key} is missing or not usable ({value!r})")
    return value
