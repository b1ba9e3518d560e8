"""The role assertion as clients read it that know no XML, or a little of it (docs/clients.md, "From the broker")."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass, field
from xml.sax import parseString
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

import pytest
from support.spine import Spine
from support.spine_client import reason

from spine_stub.clinic.assertion import BrokerAway, HttpsBroker
from spine_stub.errors import DataError

OK = '<samlp:StatusCode Value="samlp:Success"/>'


@dataclass
class FirstAttribute(ContentHandler):
    """Looks for `saml:Attribute` by its prefix and for a name in its first attribute, whatever that is called.

    All text up to the end of the first value counts, and its first character is taken for the line end
    that was there in the assertions which the client was made after.
    """

    name: str
    found: str = ""
    _depth: list[bool] = field(default_factory=list)

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX names it so
        values = list(attrs.values())
        if name == "saml:Attribute" and values and values[0] == self.name:
            self._depth.append(True)

    def characters(self, content: str) -> None:
        if self._depth:
            self.found += content

    def endElement(self, name: str) -> None:  # noqa: N802
        if self._depth:
            self._depth.pop()


def by_first_attribute(assertion: str, name: str) -> str:
    handler = FirstAttribute(name)
    parseString(assertion.encode(), handler)  # noqa: S317 - our own
    return handler.found[1:].replace(" ", "")


def by_text(assertion: str, name: str) -> str:
    found = re.search(rf'AttributeName="{name}"[^>]*>\s*<saml:AttributeValue>([^<]*)<', assertion)
    return found[1] if found else ""


@pytest.mark.parametrize("read", [by_first_attribute, by_text])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uid", "555000000099"), ("nhsJobRoleCode", "S8000:G8000:R8000"),
        ("NhsOcsPrCode", "G9999099"), ("nhsOcsPrCode", "G9999099"),
    ],
)  # fmt: skip
def test_clients_that_read_by_the_first_attribute_find_the_values(
    spine: Spine, read: type[str], name: str, value: str
) -> None:
    client, ticket = spine.login("prescriber")
    assertion = client.get("/saml/RoleAssertion", token=ticket).text
    assert OK in assertion
    assert read(assertion, name) == value


def test_who_has_no_practitioner_code_has_no_such_attribute(spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    assert "OcsPrCode" not in client.get("/saml/RoleAssertion", token=ticket).text


def test_an_assertion_is_given_to_a_post_and_whatever_the_content_type(spine: Spine) -> None:
    client, ticket = spine.login("one-role")
    for method, headers in (("POST", {}), ("GET", {"Content-Type": "text/xml"}), ("GET", {"x-api-key": "made-up"})):
        reply = client.http.request(
            method, f"{spine.url}/saml/RoleAssertion", params={"token": ticket}, headers=headers, timeout=10
        )
        assert (reason(reply), OK in reply.text) == (None, True), (method, headers)


@pytest.mark.parametrize(("minutes", "is_believed"), [("60", False), ("-60", False), ("2", True), ("-0.5", True)])
def test_an_assertion_by_a_clock_that_is_wrong_is_for_clients_to_see(
    spine: Spine, minutes: str, is_believed: bool
) -> None:
    _, ticket = spine.login("one-role")
    spine.faults.once("clock-skew", minutes)
    with nullcontext() if is_believed else pytest.raises(BrokerAway, match="an assertion of another time"):
        HttpsBroker(spine.url, spine.ca_file, spine.clock).holder(ticket)
    assert HttpsBroker(spine.url, spine.ca_file, spine.clock).holder(ticket).uid == "555000000002"


@pytest.mark.parametrize("minutes", ["soon", "0", "nan", "inf", "-525601"])
def test_what_is_no_skew_is_said(spine: Spine, minutes: str) -> None:
    with pytest.raises(DataError, match="clock-skew: minutes"):
        spine.faults.once("clock-skew", minutes)
