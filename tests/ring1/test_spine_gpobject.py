"""Requests: what is read, and what bad input is called."""

from __future__ import annotations

import pytest
from support.spine_client import gp_object

from spine_stub.errors import InvalidInput
from spine_stub.login.gpobject import parse, require

DOCTYPE = b'<!DOCTYPE USER SYSTEM "gpOBJECT.DTD">'
BOMB = b'<!DOCTYPE USER [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><gpOBJECT><gpPARAM name="x">&b;</gpPARAM></gpOBJECT>'
EXTERNAL = (
    b'<!DOCTYPE USER [<!ENTITY a SYSTEM "file:///etc/passwd">]><gpOBJECT><gpPARAM name="x">&a;</gpPARAM></gpOBJECT>'
)
PARAMETER_ENTITY = b'<!DOCTYPE USER [<!ENTITY % a SYSTEM "http://127.0.0.1:1/a"> %a;]><gpOBJECT></gpOBJECT>'


def test_parameters_are_read_by_name_without_white_space_around() -> None:
    body = DOCTYPE + b'<gpOBJECT>\n<gpPARAM name="uid">\n 555 </gpPARAM><gpPARAM name="e"/></gpOBJECT>'
    assert parse(body) == {"uid": "555", "e": ""}


def test_a_doctype_is_taken_and_never_fetched() -> None:
    body = b'<!DOCTYPE USER SYSTEM "http://127.0.0.1:1/login/dtd"><gpOBJECT/>'
    assert parse(body) == {}


def test_other_attributes_do_no_harm() -> None:
    assert parse(b'<gpOBJECT><gpPARAM encoding="base64" name="r">eA==</gpPARAM></gpOBJECT>') == {"r": "eA=="}


def test_escaped_text_is_unescaped() -> None:
    assert parse(gp_object(app_url="a&b<c>")) == {"app_url": "a&b<c>"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "empty-request", id="nothing"),
        pytest.param(b" \r\n", "empty-request", id="white-space"),
        pytest.param(b"service=ACTIVATION", "xml-not-well-formed", id="a-form"),
        pytest.param(b"<gpOBJECT>", "xml-not-well-formed", id="not-closed"),
        pytest.param(b"<gpOBJECT/><gpOBJECT/>", "xml-not-well-formed", id="two-roots"),
        pytest.param(b"<gpOBJECT>\x00</gpOBJECT>", "xml-not-well-formed", id="null-byte"),
        pytest.param(b"<gpOBJECT>\xff</gpOBJECT>", "xml-not-well-formed", id="not-utf-8"),
        pytest.param(
            b'<?xml version="1.0" encoding="none-such"?><gpOBJECT/>', "xml-not-well-formed", id="unknown-encoding"
        ),
        pytest.param(
            b'<?xml version="1.0" encoding="shift_jis"?><gpOBJECT/>', "xml-not-well-formed", id="multi-byte-encoding"
        ),
        pytest.param(
            DOCTYPE + b'<gpOBJECT><gpPARAM name="x">&a;</gpPARAM></gpOBJECT>',
            "xml-not-well-formed",
            id="unknown-entity",
        ),
        pytest.param(
            DOCTYPE + b'<gpOBJECT><gpPARAM name="&a;"/></gpOBJECT>',
            "unnamed-parameter",
            id="unknown-entity-in-an-attribute",
        ),
        pytest.param(
            b'<!DOCTYPE USER [<!NOTATION n SYSTEM "n"><!ENTITY a SYSTEM "a" NDATA n>]><gpOBJECT/>',
            "xml-entity-declared",
            id="unparsed-entity",
        ),
        pytest.param(BOMB.decode().encode("utf-16"), "xml-entity-declared", id="entity-bomb-in-utf-16"),
        pytest.param(b"<html/>", "not-gpobject", id="another-root"),
        pytest.param(b'<gpOBJECT xmlns="urn:x"/>', "not-gpobject", id="a-namespace"),
        pytest.param(b"<gpOBJECT><gpPARAM/></gpOBJECT>", "unnamed-parameter", id="no-name"),
        pytest.param(b"<gpOBJECT><other/></gpOBJECT>", "unexpected-element", id="another-element"),
        pytest.param(
            b'<gpOBJECT><gpPARAM name="a"><b/></gpPARAM></gpOBJECT>', "unexpected-element", id="element-inside"
        ),
        pytest.param(
            b'<gpOBJECT><gpPARAM name="uid">1</gpPARAM><gpPARAM name="uid">2</gpPARAM></gpOBJECT>',
            "repeated-parameter",
            id="two-uids",
        ),
        pytest.param(b"<gpOBJECT>" + b"<a>" * 20_000, "xml-not-well-formed", id="deep"),
        pytest.param(
            b"<gpOBJECT>" + b"<a>" * 9_000 + b"</a>" * 9_000 + b"</gpOBJECT>",
            "unexpected-element",
            id="deep-and-closed",
        ),
        pytest.param(BOMB, "xml-entity-declared", id="entity-bomb"),
        pytest.param(EXTERNAL, "xml-entity-declared", id="external-entity"),
        pytest.param(PARAMETER_ENTITY, "xml-entity-declared", id="parameter-entity"),
    ],
)
def test_bad_input_has_a_reason_of_its_own(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(body)
    assert caught.value.reason == reason


def test_where_the_xml_goes_wrong_is_said() -> None:
    with pytest.raises(InvalidInput, match="xml-not-well-formed: line 2, column 4"):
        parse(b"<gpOBJECT>\n  & </gpOBJECT>")


@pytest.mark.parametrize("message", [{}, {"card_type": ""}])
def test_a_missing_parameter_is_named(message: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="missing-card-type"):
        require(message, "card_type")
