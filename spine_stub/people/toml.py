"""people.toml: the people and roles of a small broker (its shape is in that file's comments)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ..errors import DataError
from .directory import Person, Role
from .toml_places import line_of

UID = re.compile(r"[0-9]{12,14}")
PLAIN = re.compile(r"[A-Za-z0-9:._-]+")
TEXT = re.compile(r"(?!\s*$)[^<>\x00-\x1f\x7f]+")
"""Text of a role goes into replies as it stands, raw `&` and all: so no markup, no line ends. Not blank."""


class Wrong(ValueError):
    """Something in the file is not as it must be, and where."""

    def __init__(self, sentence: str, place: _Place, key: str) -> None:
        super().__init__(sentence)
        self.place = place
        self.key = key


@dataclass(frozen=True)
class _Place:
    """Which table of the file: `owner` is its name in sentences."""

    owner: str
    person: int | None = None
    role: int | None = None


@dataclass(frozen=True)
class People:
    """The content of one people.toml."""

    by_uid: Mapping[str, Person]

    def person(self, uid: str) -> Person | None:
        """Return the person of this uid, if there is one."""
        return self.by_uid.get(uid)

    @classmethod
    def load(cls, path: Path) -> People:
        """Read people.toml; raises DataError with a sentence that says in which line it is wrong."""
        try:
            return cls.parse(path.read_text("utf-8"))
        except OSError as exc:
            raise DataError(f"{path} cannot be read: {exc.strerror}") from exc
        except ValueError as exc:
            raise DataError(f"{path}: {exc}") from exc

    @classmethod
    def parse(cls, text: str) -> People:
        """Read the text of people.toml; raises ValueError, which names the line."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            last = text.count("\n", 0, len(text.rstrip())) + 1
            raise ValueError(str(exc).replace("at end of document", f"at line {last}, the end")) from exc
        try:
            return cls(_by_uid(document))
        except Wrong as exc:
            line = line_of(text, exc.place.person, exc.place.role, exc.key)
            raise ValueError(f"line {line}: {exc}") from exc


def _by_uid(document: dict[str, Any]) -> Mapping[str, Person]:
    people: dict[str, Person] = {}
    for number, entry in enumerate(_tables(document, "person", _Place("the file"))):
        person = _person(entry, number)
        if person.uid in people:
            raise Wrong(f"two people have the same uid {person.uid}", _Place("", number), "uid")
        people[person.uid] = person
    return people


def _person(entry: dict[str, Any], number: int) -> Person:
    uid = _field(entry, "uid", UID, _Place("a person", number))
    place = _Place(f"person {uid}", number)
    roles: dict[str, Role] = {}
    for role_number, table in enumerate(_tables(entry, "roles", place)):
        role = _role(table, uid, number, role_number)
        if role.id in roles:
            raise Wrong(f"{place.owner}: two roles have the same id", _Place("", number, role_number), "id")
        roles[role.id] = role
    active = entry.get("active", True)
    if not isinstance(active, bool):
        raise Wrong(f"{place.owner}: active is neither true nor false ({active!r})", place, "active")
    return Person(uid, _field(entry, "cn", TEXT, place), tuple(roles.values()), active)


def _role(entry: dict[str, Any], uid: str, person: int, number: int) -> Role:
    role_id = _field(entry, "id", PLAIN, _Place(f"a role of person {uid}", person, number))
    place = _Place(f"role {role_id} of person {uid}", person, number)
    return Role(
        id=role_id,
        org_code=_field(entry, "org_code", PLAIN, place) if "org_code" in entry else None,
        org_name=_field(entry, "org_name", TEXT, place),
        group=_field(entry, "group", TEXT, place),
        sub_group=_field(entry, "sub_group", TEXT, place),
        name=_field(entry, "name", TEXT, place),
        code=_field(entry, "code", PLAIN, place) if "code" in entry else "",
        business_functions=_names_by_code(entry, "business_functions", place),
        areas_of_work=_names_by_code(entry, "areas_of_work", place),
        work_groups=_names_by_code(entry, "work_groups", place),
        opened=_date(entry, "opened", place),
        closed=_date(entry, "closed", place),
    )


def _tables(entry: dict[str, Any], key: str, place: _Place) -> list[dict[str, Any]]:
    tables = entry.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise Wrong(f"{place.owner}: {key} is not a list of tables", place, key)
    return tables


def _names_by_code(entry: dict[str, Any], key: str, place: _Place) -> Mapping[str, str]:
    table = entry.get(key, {})
    if not isinstance(table, dict):
        raise Wrong(f"{place.owner}: {key} is not a table of code = name", place, key)
    for code in table:
        if not PLAIN.fullmatch(code):
            raise Wrong(f"{place.owner}: {key} has a code that is not usable ({code!r})", place, key)
    named = _Place(f"{place.owner}: {key}", place.person, place.role)
    return {code: _field(table, code, TEXT, named) for code in table}


def _date(entry: dict[str, Any], key: str, place: _Place) -> date | None:
    value = entry.get(key)
    if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
        raise Wrong(f"{place.owner}: {key} is not a date like 2026-03-31, without quotes", place, key)
    return value


def _field(entry: dict[str, Any], key: str, form: re.Pattern[str], place: _Place) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise Wrong(f"{place.owner}: {key} is missing or not usable ({value!r})", place, key)
    return value
