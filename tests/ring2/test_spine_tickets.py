"""What a ticket is good for, and until when: roles, assertions, keep-alive, logout."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree
from support.spine import Spine, SpineFactory
from support.spine_client import Client, gp_object, reason

SAML = "{urn:oasis:names:tc:SAML:1.0:assertion}"
SAMLP = "{urn:oasis:names:tc:SAML:1.0:protocol}"
OK = "<HTML><STATUS>OK</STATUS></HTML>"


def assertion(client: Client, ticket: str) -> Element:
    root: Element = ElementTree.fromstring(client.get("/saml/RoleAssertion", token=ticket).content)
    return root


def status(root: Element) -> str | None:
    code = root.find(f"{SAMLP}Status/{SAMLP}StatusCode")
    assert code is not None
    return code.get("Value")


def attributes(root: Element) -> list[tuple[str | None, list[str]]]:
    found = root.iter(f"{SAML}Attribute")
    return [(a.get("AttributeName"), [value.text or "" for value in a]) for a in found]


def test_the_assertion_is_of_the_form_that_is_published(spine: Spine) -> None:
    """docs/protocol.md, section 6."""
    client, ticket = spine.login()
    root = assertion(client, ticket)
    assert root.tag == f"{SAMLP}Response"
    assert status(root) == "samlp:Success"
    assert [root.get(name) for name in ("ResponseID", "InResponseTo", "Recipient")] == ["null", "null", "127.0.0.1"]
    confirmed = f"{SAML}Subject/{SAML}SubjectConfirmation/{SAML}SubjectConfirmationData"
    statement = root.find(f"{SAML}Assertion/{SAML}AttributeStatement/{confirmed}//{SAML}AuthenticationStatement")
    conditions = root.find(f"{SAML}Assertion/{SAML}Conditions")
    assert statement is not None
    assert conditions is not None
    assert statement.get("AuthenticationMethod") == "urn:com:sun:identity:ExtendedLoginModule"
    assert statement.findtext(confirmed) == ticket
    assert {name.text for name in root.iter(f"{SAML}NameIdentifier")} == {"uid=555000000001,ou=People,o=nhs"}
    now = spine.clock()
    assert conditions.get("NotBefore") == f"{now - timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ}"
    assert conditions.get("NotOnOrAfter") == f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    assert {a.get("AttributeNamespace") for a in root.iter(f"{SAML}Attribute")} == {"http://www.syntegra.com"}


def test_the_assertion_names_the_person_and_every_role(spine: Spine) -> None:
    client, ticket = spine.login()
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000101")
    named = attributes(assertion(client, ticket))
    assert named[:5] == [
        ("ssbAssertionVersion", ["1.1"]), ("cn", ["Amara Okafor"]), ("uid", ["555000000001"]),
        ("ssbSessionRoleUid", ["555100000101"]), ("ssbMode", ["0"]),
    ]  # fmt: skip
    assert named[5:16] == [
        ("nhsIdCode", ["LAN001"]),
        ("o", ["THE LANYARD SURGERY, HIGH STREET"]),
        ("nhsAreaOfWorkCodes", ["A8000"]),
        ("nhsBusinessFunctions", ["Perform Clinical Coding", "Manage Prescriptions"]),
        ("nhsBusinessFunctionsCodes", ["B0380", "B0572"]),
        ("nhsAreaOfWork", ["General Practice"]),
        ("nhsJobRole", ['"Clinical":"Clinical Provision":"Clinical Practitioner Access Role"']),
        ("uniqueIdentifier", ["555100000101"]),
        ("nhsJobRoleCode", ["S8000:G8000:R8000"]),
        ("nhsWorkGroupsCodes", ["W9001"]),
        ("nhsWorkGroups", ["Lanyard Test Group"]),
    ]
    assert [values for name, values in named if name == "nhsIdCode"] == [["LAN001"], ["LAN002"]]  # the third has none
    assert [values for name, values in named if name == "o"][2] == ["OUT-OF-HOURS SERVICE, MOOR & DALE"]


def test_the_mode_of_a_session_is_asserted(spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    selection = {"token": ticket, "selectedRoleUid": "555100000201"}
    assert client.get("/saml/RoleSelectionGP.jsp", **selection, ssbMode="1").text == OK
    assert ("ssbMode", ["1"]) in attributes(assertion(client, ticket))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"selectedRoleUid": "555100000201"}, "role-not-held"),
        ({"selectedRoleUid": ""}, "role-not-held"),
        ({}, "role-not-held"),
        ({"selectedRoleUid": "555100000101", "ssbMode": "2"}, "ssb-mode-unknown"),
        ({"selectedRoleUid": "555100000101", "token": ""}, "missing-ticket"),
        ({"selectedRoleUid": "555100000101", "token": "guessed"}, "ticket-not-valid"),
    ],
)
def test_a_selection_that_cannot_be_is_not_answered_with_ok(spine: Spine, query: dict[str, str], expected: str) -> None:
    client, ticket = spine.login()
    reply = client.get("/saml/RoleSelectionGP.jsp", **{"token": ticket, **query})
    assert reason(reply) == expected
    assert "OK" not in reply.text


@pytest.mark.parametrize("path", ["/saml/RoleAssertion", "/saml/RoleSelectionGP.jsp"])
def test_a_client_that_does_not_encode_the_ticket_fails(spine: Spine, path: str) -> None:
    """The "#" begins the fragment, which no client sends."""
    client, ticket = spine.login("one-role")
    raw = f"{spine.url}{path}?selectedRoleUid=555100000201&token={ticket}"
    reply = client.http.get(raw, timeout=10)
    assert reason(reply) == "ticket-hash-lost"
    encoded = raw.replace(ticket, quote(ticket, safe=""))
    assert reason(client.http.get(encoded, timeout=10)) is None


@pytest.mark.parametrize("ticket", ["AQIC5wM2=@AAJTSQACMDE=#", "x", "\u00fc", "' OR 1=1", "%00", "a" * 5000])
def test_a_guessed_ticket_is_no_success(spine: Spine, ticket: str) -> None:
    root = assertion(spine.client(), ticket)
    assert status(root) == "samlp:Requester"
    assert root.find(f"{SAML}Assertion") is None


def test_a_ticket_of_another_broker_is_refused(spine: Spine, spine_factory: SpineFactory) -> None:
    _, ticket = spine.login()
    assert status(assertion(spine_factory(store="memory").client(), ticket)) == "samlp:Requester"


@pytest.mark.parametrize("how", ["post", "get-with-a-body", "get-with-a-query", "post-with-a-query"])
def test_logging_out_ends_the_session(spine: Spine, how: str) -> None:
    client, ticket = spine.login()
    method = "POST" if how.startswith("post") else "GET"
    body = gp_object(service="LOGOUT", sso_ticket=ticket, uid="555000000001")
    in_query = how.endswith("query")
    for _ in range(2):  # saying so twice is no error
        reply = client.http.request(
            method, f"{spine.url}/login/authlogout", timeout=10,
            params={"token": ticket} if in_query else {}, data=None if in_query else body,
        )  # fmt: skip
        assert reply.text == OK
    assert status(assertion(client, ticket)) == "samlp:Requester"


def test_logging_out_without_a_ticket_is_invalid_input(spine: Spine) -> None:
    client = spine.client()
    assert reason(client.post("/login/authlogout", gp_object(service="LOGOUT"))) == "missing-ticket"
    assert reason(client.get("/login/authlogout")) == "missing-ticket"
    assert reason(client.post("/login/authlogout", b"")) == "empty-request"


def test_one_session_ends_and_another_goes_on(spine: Spine) -> None:
    client, first = spine.login()
    second = client.sign_in(spine.card("three-roles"))
    assert first != second
    client.get("/login/authlogout", token=first)
    assert status(assertion(client, second)) == "samlp:Success"


def test_a_session_ends_at_its_limit(spine_factory: SpineFactory) -> None:
    spine = spine_factory(max_session=timedelta(minutes=30), idle=timedelta(minutes=20))
    client, ticket = spine.login()
    spine.clock.advance(minutes=19)
    assert status(assertion(client, ticket)) == "samlp:Success"
    spine.clock.advance(minutes=11)
    assert status(assertion(client, ticket)) == "samlp:Requester"


@pytest.mark.parametrize("kept", [True, False], ids=["kept-alive", "left-alone"])
def test_a_session_that_is_not_used_ends_unless_kept_alive(spine_factory: SpineFactory, kept: bool) -> None:
    spine = spine_factory(idle=timedelta(minutes=20))
    client, ticket = spine.login()
    spine.clock.advance(minutes=15)
    if kept:
        assert client.post("/login/ssoupdate", gp_object(sso_ticket=ticket)).text == OK
    spine.clock.advance(minutes=15)
    expected = "samlp:Success" if kept else "samlp:Requester"
    assert status(assertion(client, ticket)) == expected


def test_the_limits_are_told_in_minutes(spine_factory: SpineFactory) -> None:
    spine = spine_factory(max_session=timedelta(minutes=90), idle=timedelta(minutes=20))
    reply = spine.client().validate(spine.card("one-role")).text
    assert '"sso_max_session_time">90<' in reply
    assert '"sso_session_time">20<' in reply


@pytest.mark.parametrize(
    ("damage", "reason_of_it", "words"),
    [
        (lambda ticket: ticket[:-1], "ticket-hash-lost", "The # was lost: escape the ticket."),
        (lambda ticket: f'"{ticket}"', "ticket-in-quotes", "quotation marks around it"),
        (lambda ticket: f"{ticket}\n", "ticket-with-white-space", "white space"),
        (lambda ticket: quote(ticket, safe=""), "ticket-encoded-twice", "escaped twice"),
        (lambda ticket: ticket.partition("=")[0], "ticket-cut", "Only the beginning"),
    ],
)
def test_what_damaged_a_ticket_is_said_in_the_sign_in_it_belongs_to(
    spine: Spine, damage: Callable[[str], str], reason_of_it: str, words: str
) -> None:
    client, ticket = spine.login("one-role")
    assert reason(client.get("/saml/RoleAssertion", token=damage(ticket))) == reason_of_it
    assert words in client.get("/stub/").text
    sign_ins = client.get("/stub/api/sign-ins").json()["sign_ins"]
    assert [each["uid"] for each in sign_ins][-1:] == ["555000000002"]
    assert len(sign_ins) == (2 if reason_of_it == "ticket-cut" else 1)
