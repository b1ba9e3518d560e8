"""Changing people.toml by program, leaving all that is not about the person as somebody wrote it.

Only the `[[person]]` table concerned is written anew: comments inside it are lost, those before and
after it stay. What comes out is read again before it counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ..errors import DataError
from .directory import Person, Role
from .toml import People
from .toml_places import find_people

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TRAILING_REMARKS = re.compile(r"(?:^[ \t]*(?:#[^\n]*)?\n)*\Z", re.MULTILINE)
"""Blank lines and comments at the end of a table are about what follows."""


def with_person(text: str, person: Person) -> str:
    """The text with this person in it, in place of an earlier one of the same uid; raises DataError."""
    before = _parse(text)
    if person.uid in before.by_uid:
        start, end = _span(text, list(before.by_uid).index(person.uid))
        changed = text[:start] + to_toml(person) + text[end:]
    else:
        changed = text.rstrip("\n") + "\n\n" * bool(text.strip()) + to_toml(person)
    return _checked(changed, {**before.by_uid, person.uid: person})


def without_person(text: str, uid: str) -> str:
    """The text without the person of this uid; raises DataError."""
    before = _parse(text)
    start, end = _span(text, list(before.by_uid).index(uid))
    changed = text[:start].rstrip("\n") + "\n" + text[end:]
    return _checked(changed, {other: person for other, person in before.by_uid.items() if other != uid})


def to_toml(person: Person) -> str:
    """One `[[person]]` table, each role on a line."""
    lines = ["[[person]]", f"uid = {_quoted(person.uid)}", f"cn = {_quoted(person.cn)}"]
    if not person.active:
        lines.append("active = false")
    roles = [f"  {_role(role)}," for role in person.roles]
    lines += ["roles = [", *roles, "]"] if roles else ["roles = []"]
    return "\n".join(lines) + "\n"


def _role(role: Role) -> str:
    texts = {
        "id": role.id, "org_code": role.org_code, "org_name": role.org_name, "group": role.group,
        "sub_group": role.sub_group, "name": role.name, "code": role.code,
    }  # fmt: skip
    fields = [f"{key} = {_quoted(value)}" for key, value in texts.items() if value]
    tables = {
        "business_functions": role.business_functions,
        "areas_of_work": role.areas_of_work,
        "work_groups": role.work_groups,
    }
    fields += [f"{key} = {_table(table)}" for key, table in tables.items() if table]
    fields += [f"{key} = {day}" for key, day in (("opened", role.opened), ("closed", role.closed)) if day]
    return "{ " + ", ".join(fields) + " }"


def _table(names: Mapping[str, str]) -> str:
    pairs = (
        f"{code if _BARE_KEY.fullmatch(code) else _quoted(code)} = {_quoted(name)}" for code, name in names.items()
    )
    return "{ " + ", ".join(pairs) + " }"


def _quoted(text: str) -> str:
    # A JSON string without control characters is a basic string of TOML.
    return json.dumps(text, ensure_ascii=False)


def _span(text: str, number: int) -> tuple[int, int]:
    places = find_people(text)
    try:
        start = places[number].start
    except IndexError:
        raise DataError("people.toml is written in a way that only a person can edit") from None
    end = places[number + 1].start if number + 1 < len(places) else len(text)
    remarks = _TRAILING_REMARKS.search(text, start, end)
    return start, remarks.start() if remarks else end


def _parse(text: str) -> People:
    try:
        return People.parse(text)
    except ValueError as exc:
        raise DataError(f"people.toml: {exc}") from exc


def _checked(text: str, expected: Mapping[str, Person]) -> str:
    if _parse(text).by_uid != expected:
        raise DataError("people.toml is written in a way that only a person can edit")
    return text
