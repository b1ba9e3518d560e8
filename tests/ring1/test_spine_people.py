"""people.toml: what is read from it, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from spine_stub.errors import DataError
from spine_stub.people.toml import People, load_people

PERSON = '[[person]]\nuid = "555000000009"\ncn = "Ivy O\'Neil"\n'
ROLE = '{ id = "1", org_name = "A, B & C", group = "G", sub_group = "S", name = "N" }'


@pytest.fixture
def people(demo_data: Path) -> People:
    return load_people(demo_data / "people.toml")


def load(folder: Path, text: str) -> People:
    path = folder / "people.toml"
    path.write_text(text, "utf-8")
    return load_people(path)


@pytest.mark.parametrize(
    ("uid", "roles"),
    [
        ("555000000001", 3), ("555000000002", 1), ("555000000003", 40), ("555000000004", 0),
        ("555000000005", 1), ("555000000006", 1), ("555000000007", 1), ("555000000008", 1),
    ],
)  # fmt: skip
def test_demonstration_people_have_the_roles_of_their_cards(people: People, uid: str, roles: int) -> None:
    person = people.get(uid)
    assert person
    assert len(person.roles) == roles


def test_the_demonstration_holds_what_real_replies_hold(people: People) -> None:
    person = people.get("555000000001")
    assert person
    text = " ".join(role.text for role in person.roles)
    assert all(mark in text for mark in (",", "'", "(", ")", " & "))
    assert [role.org_code is None for role in person.roles] == [False, False, True]


def test_the_text_of_a_role_is_as_the_wire_quotes_it(tmp_path: Path) -> None:
    person = load(tmp_path, f"{PERSON}roles = [{ROLE}]").get("555000000009")
    assert person
    assert person.roles[0].text == 'A, B & C, "G":"S":"N"'
    assert person.role("1") is person.roles[0]
    assert person.role("2") is None


def test_who_is_not_in_the_file_is_nobody(people: People) -> None:
    assert people.get("555999999999") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("[[person]", "line 1", id="not-toml"),
        pytest.param("person = 3", "person is not a list of tables", id="no-list"),
        pytest.param("person = [3]", "person is not a list of tables", id="no-tables"),
        pytest.param("[[person]]\ncn = 'A'", "uid is missing", id="no-uid"),
        pytest.param("[[person]]\nuid = '12'", "uid is not usable", id="short-uid"),
        pytest.param("[[person]]\nuid = 555000000009", "not usable", id="uid-as-a-number"),
        pytest.param("[[person]]\nuid = '555000000009'", "cn is missing", id="no-name"),
        pytest.param("[[person]]\nuid = '555000000009'\ncn = ' '", "cn is not usable", id="blank-name"),
        pytest.param(PERSON * 2, "two people have the same uid", id="twice"),
        pytest.param(PERSON + "email = '<b>'", "email is not usable", id="markup-in-an-address"),
        pytest.param(PERSON + "title = 3", "title is not usable", id="title-as-a-number"),
        pytest.param(PERSON + "identity_level = 4", "identity_level is none of 0, 1, 2 and 3", id="no-such-level"),
        pytest.param(PERSON + "identity_level = true", "identity_level is none of", id="level-as-true"),
        pytest.param(PERSON + "professional = { gcm = '1' }", "professional: there is no field 'gcm'", id="no-council"),
        pytest.param(PERSON + "professional = { gmc = 1 }", "gmc is not usable", id="number-without-quotes"),
        pytest.param(PERSON + "professional = '1'", "professional is not a table", id="professional-no-table"),
        pytest.param(PERSON + "roles = 1", "roles is not a list", id="roles-no-list"),
        pytest.param(PERSON + "roles = [{ }]", "id is missing", id="role-without-id"),
        pytest.param(PERSON + f"roles = [{ROLE}, {ROLE}]", "same id", id="role-twice"),
        pytest.param(PERSON + f"roles = [{ROLE.replace('A, B', '<b>')}]", "org_name", id="markup-in-a-role"),
        pytest.param(
            PERSON + f"roles = [{ROLE.replace('A, B', 'A' + chr(92) + 'n')}]", "org_name", id="line-end-in-a-role"
        ),
        pytest.param(
            PERSON + "roles = [" + ROLE.replace("}", ", org_code = 'A\"B' }]"), "org_code", id="quote-in-an-attribute"
        ),
        pytest.param(
            PERSON + "roles = [" + ROLE.replace("}", ", work_groups = ['W1'] }]"),
            "work_groups is not a table",
            id="work-groups-as-a-list",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "people.toml") in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    """Notepad and PowerShell put one first."""
    (tmp_path / "people.toml").write_text(PERSON, "utf-8-sig")
    assert load_people(tmp_path / "people.toml").get("555000000009")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        load_people(tmp_path / "people.toml")


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"not UTF-8 text \(at byte 1\); save it as UTF-8"):
        load_people(tmp_path / "people.toml")
