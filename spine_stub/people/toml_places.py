"""Where in the text of people.toml the people and their roles stand.

tomllib reads TOML but keeps no line numbers, which a person who edits the file needs. This finds
`[[person]]` and the tables of its `roles`, in their order; it understands no more of TOML than
strings, comments and brackets, and is only asked about text that tomllib has taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

_MARK = re.compile(
    r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*'
    r"|^[ \t]*\[\[[^\]\n]*\]\]|[\[\]{}]",
    re.MULTILINE,
)
_ROLE_DEPTH = 1
"""An inline role is a brace inside the one list of `roles = [ ... ]`."""


@dataclass
class PersonPlace:
    """Offsets into the text: of `[[person]]`, and of each role."""

    start: int
    roles: list[int] = field(default_factory=list)


def find_people(text: str) -> list[PersonPlace]:
    """Find each `[[person]]` and its roles."""
    found: list[PersonPlace] = []
    depth = 0
    for match in _MARK.finditer(text):
        mark = match[0].strip()
        if depth == 0 and mark.startswith("[["):
            _note_table(found, mark, match)
        elif mark in ("[", "{"):
            if mark == "{" and depth == _ROLE_DEPTH and found:
                found[-1].roles.append(match.start())
            depth += 1
        elif mark in ("]", "}"):
            depth -= 1
    return found


def _note_table(found: list[PersonPlace], mark: str, match: re.Match[str]) -> None:
    start = match.end() - len(mark)
    name = re.sub(r"[\s\[\]\"']", "", mark)
    if name == "person":
        found.append(PersonPlace(start))
    elif name == "person.roles" and found:
        found[-1].roles.append(start)


def line_of(text: str, person: int | None, role: int | None, key: str) -> int:
    """The number of the line where a key of a person or of a role stands, or where its owner begins."""
    try:
        start, end = _span(text, person, role)
    except IndexError:  # written in a way that find_people does not know
        start, end = 0, len(text)
    key_there = re.compile(rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?\s*[=.]").search(text, start, end)
    return text.count("\n", 0, key_there.start() if key_there else start) + 1


def _span(text: str, person: int | None, role: int | None) -> tuple[int, int]:
    if person is None:
        return 0, len(text)
    people = find_people(text)
    place = people[person]
    end = people[person + 1].start if person + 1 < len(people) else len(text)
    if role is None:
        return place.start, end
    return list(pairwise([*place.roles, end]))[role]
