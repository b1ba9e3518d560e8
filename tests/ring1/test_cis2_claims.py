"""What userinfo says of a person, by scope, and who there is beside the broker's people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.source import ROOT

from spine_stub.cis2.identity.claims import SCOPES, claims
from spine_stub.cis2.identity.mock_people import WithMockPeople, is_mock, usual_mechanism
from spine_stub.people.directory import Person, Role
from spine_stub.people.file import PeopleFile

SURGERY = Role(
    "555100000901", "LAN001", "THE SURGERY", "Clinical", "Clinical Provision", "Nurse Access Role", "S8000:G8000:R8001",
    {"B0360": "View Detailed Health Records"}, {"P1:Q1:T1": "Pathology"}, {"W1": "schoolagedimmunisations"},
)  # fmt: skip
SECOND = Role("555100000902", "LAN001", "THE SURGERY", "G", "S", "N")
NOWHERE = Role("555100000903", None, "OUT OF HOURS", "G", "S", "N", "S1:G2:R3")
PERSON = Person(
    "555000000009", "Ivy Maud O'Neil", (SURGERY, SECOND, NOWHERE), title="Dr", middle_names="Maud Ida",
    email="ivy@lanyard.example", identity_level=2, professional={"gmc": "9990009", "nmc": "99A"},
)  # fmt: skip
NOBODY = Person("555000000010", "Pelé", ())


@pytest.fixture
def people(demo_data: Path) -> WithMockPeople:
    return WithMockPeople(PeopleFile(demo_data / "people.toml"))


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (
            "profile",
            {"uid": "555000000009", "name": "Ivy Maud O'Neil", "given_name": "Ivy", "family_name": "O'Neil"},
        ),
        ("email", {"email": "ivy@lanyard.example"}),
        (
            "nhsperson",
            {
                "nhsid_useruid": "555000000009", "display_name": "Ivy Maud O'Neil", "title": "Dr", "initials": "MI",
                "middle_names": "Maud Ida", "idassurancelevel": 2,
            },
        ),
        (
            "associatedorgs",
            {"nhsid_user_orgs": [{"org_name": "THE SURGERY", "org_code": "LAN001"}, {"org_name": "OUT OF HOURS"}]},
        ),
        ("professionalmemberships", {"gmc_id": "9990009", "nmc_id": "99A"}),
        ("selectedrole", {}),
        ("openid", {}),
        ("unheard-of", {}),
    ],
)  # fmt: skip
def test_a_scope_gives_its_claims_and_no_others(scope: str, expected: dict[str, Any]) -> None:
    assert claims(PERSON, {scope}) == expected


def test_a_role_has_codes_and_names_in_the_same_order_and_leaves_out_what_is_not_known() -> None:
    first, second, third = claims(PERSON, {"nationalrbacaccess"})["nhsid_nrbac_roles"]
    assert first == {
        "person_orgid": "555900000901", "person_roleid": "555100000901", "org_code": "LAN001",
        "role_name": '"Clinical":"Clinical Provision":"Nurse Access Role"', "role_code": "S8000:G8000:R8001",
        "activities": ["View Detailed Health Records"], "activity_codes": ["B0360"],
        "workgroups": ["schoolagedimmunisations"], "workgroups_codes": ["W1"],
        "aow": ["Pathology"], "aow_codes": ["P1:Q1:T1"],
    }  # fmt: skip
    assert second == {
        "person_orgid": "555900000901", "person_roleid": "555100000902", "org_code": "LAN001",
        "role_name": '"G":"S":"N"',
    }  # fmt: skip
    assert third == {
        "person_orgid": "555900000902", "person_roleid": "555100000903", "role_name": '"G":"S":"N"',
        "role_code": "S1:G2:R3",
    }  # fmt: skip


def test_memberships_have_the_number_that_roles_refer_to() -> None:
    found = claims(PERSON, {"organisationalmemberships"})
    assert found["nhsid_org_memberships"] == [
        {"person_orgid": "555900000901", "org_name": "THE SURGERY", "org_code": "LAN001"},
        {"person_orgid": "555900000902", "org_name": "OUT OF HOURS"},
    ]
    assert found["nhsid_org_roles"] == found["nhsid_org_memberships"]


def test_whoever_has_one_name_and_no_role_has_no_empty_claims() -> None:
    assert claims(NOBODY, SCOPES) == {
        "uid": "555000000010", "name": "Pelé", "given_name": "Pelé", "family_name": "Pelé",
        "nhsid_useruid": "555000000010", "display_name": "Pelé", "idassurancelevel": 3,
    }  # fmt: skip


def test_the_people_of_the_public_mock_are_there_too(people: WithMockPeople) -> None:
    everybody = [person.uid for person in people.people()]
    assert everybody[:2] == ["555000000001", "555000000002"]
    assert [uid for uid in everybody if is_mock(uid)] == [f"656005750{number}" for number in range(104, 113)]
    assert [person.uid for person in people.people("656005750108")] == ["656005750108"]
    assert len(people.people(limit=3)) == 3


@pytest.mark.parametrize(
    ("uid", "role", "aal"),
    [
        ("656005750104", "R8008", 3), ("656005750107", "R8000", 3), ("656005750108", "R0260", 3),
        ("656005750109", "R8000", 2), ("656005750111", "R0260", 2), ("656005750112", "R8008", 2),
        ("656005750110", "R8000", 1), ("555000000001", "R8000", 3),
    ],
)  # fmt: skip
def test_each_has_the_role_and_the_level_that_is_published(
    people: WithMockPeople, uid: str, role: str, aal: int
) -> None:
    person = people.person(uid)
    assert person
    assert person.roles[0].code.endswith(f":{role}")
    assert usual_mechanism(uid).aal == aal


def test_a_person_of_the_file_takes_the_place_of_the_mocks(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text('[[person]]\nuid = "656005750104"\ncn = "Ours"\n')
    people = WithMockPeople(PeopleFile(tmp_path / "people.toml"))
    assert [person.cn for person in people.people("656005750104")] == ["Ours"]
    found = people.person("656005750104")
    assert found
    assert found.cn == "Ours"


def test_the_documentation_has_the_same_claims() -> None:
    text = (ROOT / "docs" / "testing-with-cis2.md").read_text()
    for scope in SCOPES[1:7]:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{scope}`"))
        found = claims(PERSON, {scope})
        assert all(f"`{name}`" in row for name in found)
        assert found
