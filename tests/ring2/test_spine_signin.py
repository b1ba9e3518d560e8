"""A whole sign-in over real HTTPS, and the oddities of real clients."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests
from support.spine import Spine, SpineFactory
from support.spine_client import b64, field_of, gp_object, reason, sign_cms, smime

SAML_SUCCESS = 'Value="samlp:Success"'
OK = "<HTML><STATUS>OK</STATUS></HTML>"


def test_from_the_challenge_to_the_logout(spine: Spine) -> None:
    client = spine.client()
    reply = client.validate(spine.card("three-roles"))
    ticket = field_of(reply.text, "sso_ticket")
    role = "555100000102"

    selected = client.get(
        "/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid=role, ssbMode="0",
        fallbackStatus="0", gacVersion="",
    )  # fmt: skip
    assert selected.text == OK
    asserted = client.get("/saml/RoleAssertion", token=ticket)
    assert SAML_SUCCESS in asserted.text
    assert f"<saml:AttributeValue>{role}</saml:AttributeValue>" in asserted.text

    logout_url = field_of(reply.text, "sso_logout_url")
    assert logout_url == f"{spine.url}/login/authlogout"
    logged_out = client.post("/login/authlogout", gp_object(service="LOGOUT", sso_ticket=ticket))
    assert logged_out.text == OK
    refused = client.get("/saml/RoleAssertion", token=ticket)
    assert SAML_SUCCESS not in refused.text
    assert reason(refused) == "ticket-not-valid"


@pytest.mark.parametrize("name", ["one-role", "forty-roles", "no-role", "expiring", "locked"])
def test_cards_that_sign_in(spine: Spine, name: str) -> None:
    """A locked card never gets to sign, but the broker knows nothing of that."""
    assert spine.login(name)[1]


@pytest.mark.parametrize(("name", "expected"), [("expired", "certificate-expired"), ("revoked", "certificate-revoked")])
def test_cards_that_are_refused(spine: Spine, name: str, expected: str) -> None:
    reply = spine.client().validate(spine.card(name))
    assert reply.status_code == 200
    assert reply.text == "<HTML><STATUS>Failed To Validate</STATUS></HTML>"
    assert reason(reply) == expected


def test_malformed_requests_get_the_wires_words(spine: Spine) -> None:
    reply = spine.client().post("/login/authvalidate", b"<gpOBJECT>")
    assert reply.text == "<HTML><STATUS>Invalid input request</STATUS></HTML>"
    assert reason(reply) == "xml-not-well-formed"


def test_an_answer_is_not_taken_twice(spine: Spine) -> None:
    client, card = spine.client(), spine.card("one-role")
    challenge, signature = client.activate()
    der = sign_cms(card, base64.b64decode(challenge)).dump()
    body = client.answer(card, der, challenge, signature)
    assert reason(client.post("/login/authvalidate", body)) is None
    assert reason(client.post("/login/authvalidate", body)) == "challenge-already-used"


def test_a_challenge_expires_by_the_brokers_clock(spine: Spine) -> None:
    client, card = spine.client(), spine.card("one-role")
    challenge, signature = client.activate()
    der = sign_cms(card, base64.b64decode(challenge)).dump()
    spine.clock.advance(seconds=301)
    reply = client.post("/login/authvalidate", client.answer(card, der, challenge, signature))
    assert reason(reply) == "challenge-expired"


def test_sha1_needs_its_flag(spine_factory: SpineFactory) -> None:
    card = spine_factory().card("one-role")
    assert reason(spine_factory().client().validate(card, digest="sha1")) == "sha1-not-allowed"
    assert spine_factory(allow_sha1=True).client().sign_in(card, digest="sha1")


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda der: der, id="bare-der"),
        pytest.param(lambda der: smime(der, indent=" " * 8, wrap=False), id="indented-smime"),
    ],
)
def test_shapes_of_the_response(spine: Spine, shape: Any) -> None:
    client, card = spine.client(), spine.card("one-role")
    challenge, signature = client.activate()
    der = sign_cms(card, base64.b64decode(challenge), attributes=True).dump()
    body = client.answer(card, shape(der), challenge, signature)
    assert reason(client.post("/login/authvalidate", body)) is None


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("POST", {}, id="no-content-type"),
        pytest.param("POST", {"Content-Type": "application/x-www-form-urlencoded"}, id="form"),
        pytest.param("POST", {"Content-Type": "multipart/form-data; boundary=x"}, id="multipart"),
        pytest.param("POST", {"Content-Type": "text/xml; charset=none"}, id="odd-charset"),
        pytest.param("GET", {}, id="get-with-a-body"),
    ],
)
def test_the_body_is_read_whatever_the_headers_say(spine: Spine, method: str, headers: dict[str, str]) -> None:
    client, card = spine.client(), spine.card("one-role")
    challenge, signature = client.activate()
    der = sign_cms(card, base64.b64decode(challenge)).dump()
    reply = client.http.request(
        method, f"{spine.url}/login/authvalidate", headers=headers, timeout=10,
        data=client.answer(card, der, challenge, signature),
    )  # fmt: skip
    assert reason(reply) is None
    assert field_of(reply.text, "cn") == "Bryn Hughes"


def test_a_chunked_body_is_read(spine: Spine) -> None:
    body = gp_object(service="ACTIVATION", log_session_id="chunked")
    reply = requests.post(
        f"{spine.url}/login/authactivate", data=iter([body[:20], body[20:]]),
        verify=str(spine.ca_file), timeout=10,
    )  # fmt: skip
    assert field_of(reply.text, "log_session_id") == "chunked"


def test_the_query_is_read_where_there_is_no_body(spine: Spine) -> None:
    client, card = spine.client(), spine.card("one-role")
    activated = client.get("/login/authactivate", service="ACTIVATION", log_session_id="a+b").text
    assert field_of(activated, "log_session_id") == "a+b"
    echo = {name: field_of(activated, name) for name in ("challenge", "signature")}
    response = b64(sign_cms(card, base64.b64decode(echo["challenge"])).dump())
    reply = client.get("/login/authvalidate", uid=card.uid, response=response, **echo)
    assert reason(reply) is None
