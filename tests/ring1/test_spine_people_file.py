"""people.toml while the broker runs: read again when it changes, changed by program."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

import pytest

from spine_stub.errors import DataError
from spine_stub.people.directory import Person, Role
from spine_stub.people.file import PeopleFile
from spine_stub.people.toml import load_people, parse_people, with_person, without_person

TEXT = """\
# Somebody's own remarks stay.

[[person]]
uid = "555000000009"
cn = "Ivy O'Neil"  # with an apostrophe
roles = [
  { id = "1", org_name = "A } [ # not a comment", group = "G", sub_group = "S", name = "N" },
  { id = "2", org_name = "B", group = "G", sub_group = "S", name = "N", work_groups = { W1 = "One" } },
]

# About the next one.
[[person]]
uid = "555000000010"
cn = "Second"

[[person.roles]]
id = "3"
org_name = "C"
group = "G"
sub_group = "S"
name = "N"
"""
ROLE = Role(
    "7", None, 'THE "QUOTED" SURGERY, \\ & ÉCOLE', "G", "S", "N", "S8000:G8000:R8000", {"B:1": "One"},
    opened=date(2026, 4, 1), closed=date(2027, 3, 31),
)  # fmt: skip
NEW = Person(
    "555000000011", "Zoë Ångström", (ROLE,), active=False, title="Prof", given_name="Zoë", middle_names="Maud Ida",
    family_name="Ångström", email="zoë@lanyard.example", identity_level=2, professional={"gmc": "1", "gphc": "2"},
    ocs_pr_code="G9999999",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "people.toml"
    path.write_text(TEXT, "utf-8")
    return path


def test_a_change_holds_at_once(path: Path) -> None:
    people = PeopleFile(path)
    path.write_text(TEXT.replace("Second", "Second Again"))
    person = people.person("555000000010")
    assert person
    assert person.cn == "Second Again"


def test_a_file_of_the_same_size_and_date_is_known_by_its_inode(path: Path) -> None:
    people = PeopleFile(path)
    before = path.stat()
    other = path.with_name("other")
    other.write_text(TEXT.replace("Second", "Third!"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert people.people("Third!")


def test_what_is_wrong_leaves_the_people_that_were_read(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    people = PeopleFile(path)
    path.write_text(TEXT.replace('cn = "Second"', "cn = 2"))
    assert people.person("555000000010")
    assert people.person("555000000009")
    assert people.problem.endswith("people.toml: person 555000000010: cn is not usable: 2")
    assert caplog.text.count("the people read before still hold") == 1
    path.write_text(TEXT)
    assert people.person("555000000010")
    assert people.problem == ""


def test_a_file_that_goes_and_comes_back(path: Path) -> None:
    people = PeopleFile(path)
    path.unlink()
    assert people.person("555000000009")
    assert "No such file" in people.problem
    path.write_text(TEXT)
    assert people.person("555000000009")
    assert not people.problem


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"555000000009"', '"x"', "person number 1: uid"),
        ("\"Ivy O'Neil\"", '"<b>"', "person 555000000009: cn"),
        ('"A } [ # not a comment"', "1", "role 1 of person 555000000009: org_name"),
        ('id = "1"', "id = 1", "role number 1 of person 555000000009: id"),
        ('id = "2"', 'id = "1"', "person 555000000009: two roles have the same id 1"),
        ('{ W1 = "One" }', "[]", "role 2 of person 555000000009: work_groups"),
        ('W1 = "One"', 'W1 = "<"', "role 2 of person 555000000009: work_groups: W1"),
        ('"555000000010"', '"555000000009"', "two people have the same uid 555000000009"),
        ('org_name = "C"', "org_name = 1", "role 3 of person 555000000010: org_name"),
        ('id = "3"\n', "", "role number 1 of person 555000000010: id"),
        ('name = "N"\n', 'name = "N"\nclosed = "soon"\n', "role 3 of person 555000000010: closed"),
        ('cn = "Second"', 'cn = "Second"\nactive = 1', "person 555000000010: active"),
        ("# Somebody's own", 'uid = "1" #', "the file: there is no field 'uid'"),
        ('cn = "Second"', 'cn = "Second"\nactiv = true', "person 555000000010: there is no field 'activ'"),
        ('name = "N"\n', 'name = "N"\norg = "C"\n', "role 3 of person 555000000010: there is no field 'org'"),
        ('cn = "Second"', 'cn = "Second', "at line 14, column 13"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_person_and_field(path: Path, old: str, new: str, where: str) -> None:
    at = TEXT.rindex(old)
    path.write_text(TEXT[:at] + new + TEXT[at + len(old) :])
    with pytest.raises(DataError, match=re.escape(f"people.toml: {where}") if "line" not in where else where):
        load_people(path)


def test_people_are_found_by_name_uid_role_and_organisation(demo_data: Path) -> None:
    people = PeopleFile(demo_data / "people.toml")
    found = {search: len(people.people(search)) for search in ("amara", "0000003", "KINGSMEAD", "midwife", "nobody")}
    assert found == {"amara": 1, "0000003": 1, "KINGSMEAD": 1, "midwife": 1, "nobody": 0}
    assert len(people.people(limit=3)) == 3


def test_a_person_is_added_and_the_rest_stays_as_it_was() -> None:
    changed = with_person(TEXT, NEW)
    assert changed.startswith(TEXT)
    assert parse_people(changed).get(NEW.uid) == NEW


@pytest.mark.parametrize("uid", ["555000000009", "555000000010"])
def test_a_person_is_replaced_without_the_remarks_around(uid: str) -> None:
    person = Person(uid, "Somebody Else", (ROLE,))
    changed = with_person(TEXT, person)
    assert parse_people(changed).get(uid) == person
    assert "# Somebody's own remarks stay.\n" in changed
    assert "\n# About the next one.\n[[person]]\n" in changed


def test_a_person_is_removed() -> None:
    one = without_person(TEXT, "555000000009")
    assert "\n# About the next one.\n[[person]]\n" in one
    none = without_person(one, "555000000010")
    assert parse_people(none) == {}
    assert "# Somebody's own remarks stay." in none
    assert parse_people(with_person(none, NEW)) == {NEW.uid: NEW}


@pytest.mark.parametrize("uid", ["555000000001", "555000000003", "555000000004"])
def test_demonstration_people_are_written_as_they_are_read(demo_data: Path, uid: str) -> None:
    person = load_people(demo_data / "people.toml")[uid]
    assert parse_people(with_person("", person)) == {uid: person}


def test_a_file_of_another_style_is_left_to_people() -> None:
    text = 'person = [{ uid = "555000000009", cn = "A" }]\n'
    with pytest.raises(ValueError, match="only a person can edit"):
        with_person(text, Person("555000000009", "B", ()))
    with pytest.raises(ValueError, match="Invalid value"):
        with_person("person = [", NEW)
