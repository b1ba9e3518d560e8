"""Who there is, and which roles they hold: people.toml (its shape is in that file's comments)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .errors import DataError

_UID = re.compile(r"[0-9]{12,14}")
_PLAIN = re.compile(r"[A-Za-z0-9:._-]+")
_TEXT = re.compile(r"[^<>\x00-\x1f\x7f]+")
"""Text of a role goes into replies as it stands, raw `&` and all: so no markup, no line ends."""


@dataclass(frozen=True)
class Role:
    """One role of a person: `id` and `org_code` are attributes of the nhsjobrole parameter.

    The three mappings give names by code, for the role assertion (nhs-facts.md 5.3).
    """

    id: str
    org_code: str | None
    org_name: str
    group: str
    sub_group: str
    name: str
    code: str
    business_functions: Mapping[str, str]
    areas_of_work: Mapping[str, str]
    work_groups: Mapping[str, str]

    @property
    def job(self) -> str:
        """The job role as replies and assertions quote it."""
        return f'"{self.group}":"{self.sub_group}":"{self.name}"'

    @property
    def text(self) -> str:
        """The whole text of an nhsjobrole parameter (nhs-facts.md 3.2)."""
        return f"{self.org_name}, {self.job}"


@dataclass(frozen=True)
class Person:
    """Somebody with a smartcard; `cn` is the name as it is shown."""

    uid: str
    cn: str
    roles: tuple[Role, ...]

    def role(self, role_id: str) -> Role | None:
        """Return the role of this id, if the person holds it."""
        return next((role for role in self.roles if role.id == role_id), None)


class Directory(Protocol):
    """Where people are looked up."""

    def person(self, uid: str) -> Person | None:
        """Return the person of this uid, if there is one."""


@dataclass(frozen=True)
class People:
    """A directory read from one file."""

    by_uid: Mapping[str, Person]

    def person(self, uid: str) -> Person | None:
        """Return the person of this uid, if there is one."""
        return self.by_uid.get(uid)

    @classmethod
    def load(cls, path: Path) -> People:
        """Read people.toml; raises DataError with a sentence that says where it is wrong."""
        try:
            document = tomllib.loads(path.read_text("utf-8"))
            people = [_person(entry) for entry in _tables(document, "person", "the file")]
        except OSError as exc:
            raise DataError(f"{path} cannot be read: {exc.strerror}") from exc
        except ValueError as exc:
            raise DataError(f"{path}: {exc}") from exc
        by_uid = {person.uid: person for person in people}
        if len(by_uid) != len(people):
            raise DataError(f"{path}: two people have the same uid")
        return cls(by_uid)


def _person(entry: dict[str, Any]) -> Person:
    uid = _field(entry, "uid", _UID, "a person")
    owner = f"person {uid}"
    roles = tuple(_role(role, owner) for role in _tables(entry, "roles", owner))
    if len({role.id for role in roles}) != len(roles):
        raise ValueError(f"{owner}: two roles have the same id")
    return Person(uid=uid, cn=_field(entry, "cn", _TEXT, owner), roles=roles)


def _role(entry: dict[str, Any], owner: str) -> Role:
    role_id = _field(entry, "id", _PLAIN, f"a role of {owner}")
    owner = f"role {role_id} of {owner}"
    return Role(
        id=role_id,
        org_code=_field(entry, "org_code", _PLAIN, owner) if "org_code" in entry else None,
        org_name=_field(entry, "org_name", _TEXT, owner),
        group=_field(entry, "group", _TEXT, owner),
        sub_group=_field(entry, "sub_group", _TEXT, owner),
        name=_field(entry, "name", _TEXT, owner),
        code=_field(entry, "code", _PLAIN, owner) if "code" in entry else "",
        business_functions=_names_by_code(entry, "business_functions", owner),
        areas_of_work=_names_by_code(entry, "areas_of_work", owner),
        work_groups=_names_by_code(entry, "work_groups", owner),
    )


def _tables(entry: dict[str, Any], key: str, owner: str) -> list[dict[str, Any]]:
    tables = entry.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{owner}: {key} is not a list of tables")
    return tables


def _names_by_code(entry: dict[str, Any], key: str, owner: str) -> Mapping[str, str]:
    table = entry.get(key, {})
    if not isinstance(table, dict):
        raise ValueError(f"{owner}: {key} is not a table of code = name")
    return {code: _field(table, code, _TEXT, f"{owner}: {key}") for code in table}


def _field(entry: dict[str, Any], key: str, form: re.Pattern[str], owner: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(f"{owner}: {key} is missing or not usable ({value!r})")
    return value
