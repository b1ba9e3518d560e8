"""People from a real slapd that has the shape of the Spine Directory Service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.servers import LDAP_FILES, Slapd
from support.spine import SettableClock, SpineFactory
from support.spine_client import reason

from spine_stub.config import Config
from spine_stub.errors import DataError, Unavailable
from spine_stub.people.directory import Directory
from spine_stub.people.ldif import to_ldif
from spine_stub.people.open import open_directory
from spine_stub.people.toml import People, load_people, parse_people
from spine_stub.stub import Stub

PEOPLE_TOML = LDAP_FILES.parent / "people.toml"
NHS = "ou=People,o=nhs"
ONE_ROLE = f"uniqueIdentifier=555100000201,uniqueIdentifier=555100000201-org,uid=555000000002,{NHS}"

pytestmark = [
    # ldap3 2.9 names parts of pyasn1 by the names they had before its 0.6.
    pytest.mark.filterwarnings("ignore:(tag|type)Map is deprecated:DeprecationWarning")
]


@pytest.fixture
def people() -> People:
    return load_people(PEOPLE_TOML)


Open = Callable[..., Directory]


@pytest.fixture
def directory() -> Iterator[Open]:
    """directory(server, **settings) asks a slapd."""
    opened = []

    def ask(server: Slapd, **settings: Any) -> Directory:
        opened.append(open_directory(Config(Path("/nonexistent"), directory=server.url, **settings)))
        return opened[-1]

    yield ask
    for each in opened:
        each.release()


def test_the_ldif_is_made_of_the_same_people(people: People) -> None:
    assert (LDAP_FILES / "people.ldif").read_text() == to_ldif(people.values())


def test_slapd_has_the_same_people_as_the_file(directory: Open, slapd_server: Slapd, people: People) -> None:
    found = directory(slapd_server).people()
    assert found == list(people.values())


@pytest.mark.parametrize("search", ["amara", "000000003", "Llew"])
def test_people_are_found_by_name_and_uid(directory: Open, slapd_server: Slapd, search: str) -> None:
    assert len(directory(slapd_server).people(search)) == 1


@pytest.mark.parametrize("uid", ["555999999999", "", "*", "555000000001,ou=People", "5550000000(1"])
def test_who_is_not_there_is_nobody(directory: Open, slapd_server: Slapd, uid: str) -> None:
    assert directory(slapd_server).person(uid) is None


def test_a_search_is_no_filter(directory: Open, slapd_server: Slapd) -> None:
    assert directory(slapd_server).people("*)(uid=*") == []


def test_a_person_signs_in_from_the_directory(slapd_server: Slapd, spine_factory: SpineFactory) -> None:
    spine = spine_factory(directory=slapd_server.url)
    (spine.data / "people.toml").unlink()
    client, ticket = spine.login("forty-roles")
    assertion = client.get("/saml/RoleAssertion", token=ticket).text
    assert assertion.count("nhsJobRoleCode") == 40


def test_somebody_inactive_does_not_sign_in(own_slapd: Slapd, spine_factory: SpineFactory) -> None:
    spine = spine_factory(directory=own_slapd.url)
    client, ticket = spine.login("one-role")
    own_slapd.modify(f"dn: uid=555000000002,{NHS}\nchangetype: modify\nreplace: nhsPersonStatus\nnhsPersonStatus: 2\n")
    assert reason(client.validate(spine.card("one-role"))) == "person-inactive"
    assert reason(client.get("/saml/RoleAssertion", token=ticket)) == "ticket-not-valid"


@pytest.mark.parametrize(
    ("attribute", "day", "is_open"),
    [
        ("nhsOrgCloseDate", -1, False), ("nhsOrgCloseDate", 0, True), ("nhsOrgCloseDate", 1, True),
        ("nhsOrgOpenDate", -1, True), ("nhsOrgOpenDate", 0, True), ("nhsOrgOpenDate", 1, False),
        ("nhsCloseDate", -1, False), ("nhsCloseDate", 0, True), ("nhsOpenDate", 0, True), ("nhsOpenDate", 1, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("entry", ["role", "organisation"])
def test_a_role_is_open_between_its_dates(
    directory: Open, slapd_server: Slapd, entry: str, attribute: str, day: int, is_open: bool
) -> None:
    """The dates of the person in the organisation hold for the roles under it."""
    today = SettableClock()().date()
    dn = f"uniqueIdentifier=555100000501-org,uid=555000000005,{NHS}"
    if entry == "role":
        dn = f"uniqueIdentifier=555100000501,{dn}"
    value = f"{today + timedelta(days=day):%Y%m%d}"
    slapd_server.modify(f"dn: {dn}\nchangetype: modify\nadd: {attribute}\n{attribute}: {value}\n")
    try:
        person = directory(slapd_server).person("555000000005")
    finally:
        slapd_server.modify(f"dn: {dn}\nchangetype: modify\ndelete: {attribute}\n")
    assert person
    assert bool(person.on(today).roles) is is_open


def test_an_entry_that_cannot_be_used_is_left_out(
    directory: Open, own_slapd: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    for attribute, value in (("nhsJobRole", "Nurse"), ("nhsOrgOpenDate", "tomorrow")):
        own_slapd.modify(f"dn: {ONE_ROLE}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")
        person = directory(own_slapd).person("555000000002")
        assert person
        assert person.roles == ()
        restored = '"Clinical":"Clinical Provision":"Nurse Access Role"'
        own_slapd.modify(f"dn: {ONE_ROLE}\nchangetype: modify\nreplace: nhsJobRole\nnhsJobRole: {restored}\n")
    assert "is not a usable role" in caplog.text
    assert "has no usable dates: Invalid isoformat string: 'tomorrow'" in caplog.text


def test_a_server_that_stops_is_said_and_found_again(own_slapd: Slapd, spine_factory: SpineFactory) -> None:
    spine = spine_factory(directory=own_slapd.url)
    client, directory = spine.client(), Stub.of(spine.app).broker.directory
    own_slapd.stop()
    reply = client.validate(spine.card("one-role"))
    assert (reply.status_code, reason(reply)) == (503, "directory-unavailable")
    assert directory.problem == "the directory does not answer: LDAPSocketOpenError"
    own_slapd.start()
    assert client.sign_in(spine.card("one-role"))
    assert directory.problem == ""


def test_a_server_that_is_not_there_is_said_at_the_start(directory: Open, own_slapd: Slapd) -> None:
    own_slapd.stop()
    with pytest.raises(DataError, match=r"the directory 127\.0\.0\.1:\d+ does not answer"):
        directory(own_slapd)
    own_slapd.start()


def test_what_is_no_address_is_said(data: Path) -> None:
    with pytest.raises(DataError, match=r"--directory ldap://\[:: is not an address"):
        open_directory(Config(data, directory="ldap://[::"))


def test_a_user_is_bound_with_the_password_of_a_file(directory: Open, slapd_server: Slapd, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("admin\n")
    settings = {"directory_user": "cn=admin,o=nhs", "directory_password": password}
    assert directory(slapd_server, **settings).person("555000000001")
    password.write_text("wrong\n")
    with pytest.raises(DataError, match="LDAPBindError"):
        directory(slapd_server, **settings)


def test_dates_are_whole_days() -> None:
    person = parse_people(
        '[[person]]\nuid = "555000000009"\ncn = "A"\nroles = [{ id = "1", org_name = "O", group = "G", '
        'sub_group = "S", name = "N", opened = 2026-04-01, closed = 2026-04-30 }]'
    )["555000000009"]
    days = [date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 30), date(2026, 5, 1)]
    assert [len(person.on(day).roles) for day in days] == [0, 1, 1, 0]
    assert "nhsOrgOpenDate: 20260401\nnhsOrgCloseDate: 20260430" in to_ldif([person])


def test_unavailable_is_a_refusal_of_its_own() -> None:
    assert Unavailable.words == "Service Unavailable"
