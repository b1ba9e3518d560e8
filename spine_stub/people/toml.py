"""people.toml: the people and roles of a small broker, read and changed (its shape is in that file's comments).

A mistake is named by person and field. A change by program touches the one `[[person]]` table that
it is about: what else somebody wrote, remarks and all, stays as it is.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Container, Mapping
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, InlineTable, Table

from ..errors import DataError
from .directory import PROFESSIONS, Person, Role

UID = re.compile(r"[0-9]{12,14}")
PLAIN = re.compile(r"[A-Za-z0-9:._-]+")
TEXT = re.compile(r"(?!\s*$)[^<>\x00-\x1f\x7f]+")
"""Text of a role goes into replies as it stands, raw `&` and all: so no markup, no line ends. Not blank."""
_ROLE_FIELDS = [field.name for field in fields(Role)]
_PERSON_FIELDS = [field.name for field in fields(Person)]
_PERSONAL = ("title", "given_name", "middle_names", "family_name", "email", "ocs_pr_code")
_IDENTITY_LEVELS = range(4)
_NOT_EDITABLE = "people.toml is written in a way that only a person can edit"

People = Mapping[str, Person]
"""The content of one people.toml, by uid."""


def load_people(path: Path) -> People:
    """Read people.toml; raises DataError with a sentence that says whose field is wrong."""
    try:
        return parse_people(read_text(path))
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise DataError(f"{path}: {exc}") from exc


def parse_people(text: str) -> People:
    """Read the text of people.toml; raises ValueError, which names person and field."""
    people: dict[str, Person] = {}
    document = tomllib.loads(text)
    _check_names(document, ["person"], "the file")
    for number, entry in enumerate(_tables(document, "person", "the file"), 1):
        person = _person(entry, f"person number {number}")
        if person.uid in people:
            raise ValueError(f"two people have the same uid {person.uid}")
        people[person.uid] = person
    return people


def read_text(path: Path) -> str:
    """Read UTF-8, with or without the byte order mark that some editors put first; raises OSError and ValueError."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError(f"this is not UTF-8 text (at byte {exc.start + 1}); save it as UTF-8") from exc


def with_person(text: str, person: Person) -> str:
    """The text with this person in it, in place of an earlier one of the same uid; raises ValueError."""
    before = parse_people(text)
    expected = {**before, person.uid: person}
    if person.uid in before:
        return _checked(_replace(text, list(before).index(person.uid), person), expected)
    document, tables = _document(text)
    tables.append(_person_table(person))
    tables[-1].trivia.indent = "\n" if before else ""
    return _checked(document.as_string(), expected)


def without_person(text: str, uid: str) -> str:
    """The text without the person of this uid; raises ValueError."""
    before = parse_people(text)
    expected = {other: person for other, person in before.items() if other != uid}
    return _checked(_replace(text, list(before).index(uid), None), expected)


def _person(entry: dict[str, Any], place: str) -> Person:
    uid = _field(entry, "uid", UID, place)
    place = f"person {uid}"
    _check_names(entry, _PERSON_FIELDS, place)
    roles: dict[str, Role] = {}
    for number, table in enumerate(_tables(entry, "roles", place), 1):
        role = _role(table, f"role number {number} of {place}", place)
        if role.id in roles:
            raise ValueError(f"{place}: two roles have the same id {role.id}")
        roles[role.id] = role
    active = entry.get("active", True)
    if not isinstance(active, bool):
        raise ValueError(f"{place}: active is neither true nor false ({active!r})")
    return Person(
        uid,
        _field(entry, "cn", TEXT, place),
        tuple(roles.values()),
        active,
        identity_level=_identity_level(entry, place),
        professional=_professional(entry, place),
        **{name: _field(entry, name, TEXT, place) for name in _PERSONAL if name in entry},
    )


def _identity_level(entry: dict[str, Any], place: str) -> int:
    level = entry.get("identity_level", Person.identity_level)
    if type(level) is not int or level not in _IDENTITY_LEVELS:
        raise ValueError(f"{place}: identity_level is none of 0, 1, 2 and 3 ({level!r})")
    return level


def _professional(entry: dict[str, Any], place: str) -> Mapping[str, str]:
    numbers = _names_by_code(entry, "professional", place)
    _check_names(numbers, PROFESSIONS, f"{place}: professional")
    return numbers


def _role(entry: dict[str, Any], place: str, owner: str) -> Role:
    role_id = _field(entry, "id", PLAIN, place)
    place = f"role {role_id} of {owner}"
    _check_names(entry, _ROLE_FIELDS, place)
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


def _check_names(entry: Mapping[str, Any], known: Container[str], place: str) -> None:
    if unknown := [name for name in entry if name not in known]:
        raise ValueError(f"{place}: there is no field {unknown[0]!r}; is it misspelt, or under the wrong heading?")


def _tables(entry: dict[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    tables = entry.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{place}: {key} is not a list of tables")
    return tables


def _names_by_code(entry: dict[str, Any], key: str, place: str) -> Mapping[str, str]:
    table = entry.get(key, {})
    if not isinstance(table, dict):
        raise ValueError(f"{place}: {key} is not a table of code = name")
    for code in table:
        if not PLAIN.fullmatch(code):
            raise ValueError(f"{place}: {key} has a code that is not usable ({code!r})")
    return {code: _field(table, code, TEXT, f"{place}: {key}") for code in table}


def _date(entry: dict[str, Any], key: str, place: str) -> date | None:
    value = entry.get(key)
    if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
        raise ValueError(f"{place}: {key} is not a date like 2026-03-31, without quotes")
    return value


def _field(entry: dict[str, Any], key: str, form: re.Pattern[str], place: str) -> str:
    value = entry.get(key)
    if value in (None, ""):
        raise ValueError(f"{place}: {key} is missing")
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(f"{place}: {key} is not usable: {value!r}")
    return value


def _document(text: str) -> tuple[tomlkit.TOMLDocument, AoT]:
    """The text to be edited, and the `[[person]]` tables in it; raises ValueError."""
    document = tomlkit.parse(text)
    tables = document.setdefault("person", tomlkit.aot())
    if not isinstance(tables, AoT):
        raise ValueError(_NOT_EDITABLE)
    return document, tables


def _replace(text: str, number: int, person: Person | None) -> str:
    """The text with another person, or nobody, in the place of one."""
    document, tables = _document(text)
    remarks = _remarks(tables[number])
    del tables[number]
    if person:
        tables.insert(number, _person_table(person))
        tables[number].trivia.indent = ""
        number += 1
    if not tables:
        del document["person"]
    if number == len(tables):
        return document.as_string() + remarks
    tables[number].trivia.indent = remarks
    return document.as_string()


def _remarks(table: Table) -> str:
    """The blank lines and comments at the end of a table: they are about what follows."""
    body = table.value.body
    last = body[-1][1]
    if isinstance(last, AoT):  # [[person.roles]] tables
        return _remarks(last[-1])
    remarks = itertools.takewhile(lambda keyed: keyed[0] is None, reversed(body))
    return "".join(reversed([remark.as_string() for _, remark in remarks]))


def _person_table(person: Person) -> Table:
    table = tomlkit.table()
    table.update({"uid": person.uid, "cn": person.cn})
    table.update({name: value for name in _PERSONAL if (value := getattr(person, name))})
    if not person.active:
        table["active"] = False
    if person.identity_level != Person.identity_level:
        table["identity_level"] = person.identity_level
    if person.professional:
        table["professional"] = _inline(person.professional)
    roles = tomlkit.array()
    roles.extend(map(_role_table, person.roles))
    table["roles"] = roles.multiline(bool(person.roles))
    return table


def _role_table(role: Role) -> InlineTable:
    values = {
        "id": role.id, "org_code": role.org_code, "org_name": role.org_name, "group": role.group,
        "sub_group": role.sub_group, "name": role.name, "code": role.code,
        "business_functions": _inline(role.business_functions), "areas_of_work": _inline(role.areas_of_work),
        "work_groups": _inline(role.work_groups), "opened": role.opened, "closed": role.closed,
    }  # fmt: skip
    return _inline({key: value for key, value in values.items() if value})


def _inline(values: Mapping[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    table.update(values)
    return table


def _checked(text: str, expected: People) -> str:
    if parse_people(text) != expected:
        raise ValueError(_NOT_EDITABLE)
    return text
