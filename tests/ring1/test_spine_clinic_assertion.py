"""What the clinical application believes of a role assertion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_stub.clinic.assertion import BrokerAway, NotSignedIn, read
from spine_stub.clinic.tasks import task
from spine_stub.people.directory import Person, Role
from spine_stub.sessions import Session
from spine_stub.web import xml

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
BASE = "https://127.0.0.1:8443"
DOCTOR = Role(
    "1", "LAN001", "A SURGERY", "Clinical", "Clinical Provision", "Clinical Practitioner", "S8000:G8000:R8000"
)
NURSE = Role("2", None, "B & SONS", "Clinical", "Provision", "Nurse", "S8000:G8000:R8001", {"B0360": "Local system"})
PERSON = Person("555000000001", "Ana Ward", (DOCTOR, NURSE, Role("3", "LAN003", "C", "x", "y", "z")))


def response(role_id: str | None = "2", person: Person = PERSON) -> str:
    session = Session(person.uid, NOW, NOW, role_id)
    return xml.role_assertion(xml.Asker(BASE, "127.0.0.1", "AQIC5w"), ("_1", "_2"), session, person, NOW)


def test_the_chosen_role_is_found_by_its_id() -> None:
    holder = read(response().encode(), NOW)
    assert (holder.uid, holder.name) == ("555000000001", "Ana Ward")
    assert holder.role is not None
    assert (holder.role.job, holder.role.organisation, holder.role.organisation_code) == ("Nurse", "B & SONS", "")
    assert holder.role.activities == ("Local system",)
    assert [role.id for role in holder.roles] == ["1", "2", "3"]


@pytest.mark.parametrize("role_id", [None, "", "9"])
def test_without_a_known_choice_there_is_no_role(role_id: str | None) -> None:
    holder = read(response(role_id).encode(), NOW)
    assert holder.role is None
    assert len(holder.roles) == 3


def test_a_person_without_roles_has_none() -> None:
    assert read(response(None, Person("555000000004", "D", ())).encode(), NOW).roles == ()


def test_no_success_is_nobody() -> None:
    with pytest.raises(NotSignedIn):
        read(xml.no_assertion("127.0.0.1", "Failed To Validate", NOW).encode(), NOW)


@pytest.mark.parametrize("hours", [-2, 2])
def test_an_assertion_of_another_time_is_not_believed(hours: int) -> None:
    with pytest.raises(BrokerAway, match="clock"):
        read(response().encode(), NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("uid=555000000001,ou", "uid=555000000002,ou"),
        ("<saml:Conditions", "<saml:Other"),
        ("NotOnOrAfter", "Until"),
        ('NotBefore="2026', 'NotBefore="x'),
        ('Z" NotOnOrAfter', '" NotOnOrAfter'),
        ("<saml:Assertion", "<saml:Claim"),
        ("samlp:Response", "samlp:Request"),
        ("</samlp:Response>", ""),
        ("<samlp:Status>", "<samlp:State>"),
        ('<?xml version="1.0" encoding="UTF-8"?>', '<!DOCTYPE x [<!ENTITY a "b">]>'),
    ],
)
def test_a_spoilt_assertion_is_not_believed(before: str, after: str) -> None:
    text = response()
    assert before in text
    end = before.replace("<", "</", 1) if before.startswith("<saml") else before
    spoilt = text.replace(before, after).replace(end, after.replace("<", "</", 1))
    with pytest.raises(BrokerAway):
        read(spoilt.encode(), NOW)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises((BrokerAway, NotSignedIn)):
        read(body, NOW)


def test_the_job_role_decides_and_an_unknown_one_may_nothing() -> None:
    holder = read(response("1").encode(), NOW)
    prescriptions, appointments = task("prescriptions"), task("appointments")
    assert prescriptions is not None
    assert appointments is not None
    assert prescriptions.is_for(holder.role)
    assert not prescriptions.is_for(holder.roles[1])
    assert not appointments.is_for(holder.roles[2])
    assert not appointments.is_for(None)
