"""The card's answer in the variants that are taken, and bytes that are no answer at all."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from asn1crypto import cms, core
from support.spine import Desk
from support.spine_client import Card, message, sign_cms, signer


@pytest.mark.parametrize("attributes", [False, True], ids=["bare", "attributes"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_rsa_answers_are_taken(desk: Desk, digest: str, attributes: bool) -> None:
    login = desk.broker.validate(desk.answer(digest=digest, attributes=attributes))
    assert login.person.uid == "555000000002"


@pytest.mark.parametrize("attributes", [False, True], ids=["bare", "attributes"])
@pytest.mark.parametrize("digest", ["sha256", "sha384"])
def test_ecdsa_answers_are_taken(desk: Desk, ec_card: Card, digest: str, attributes: bool) -> None:
    login = desk.broker.validate(desk.answer(ec_card, digest=digest, attributes=attributes))
    assert login.person.uid == ec_card.uid


def test_sha1_is_taken_only_when_allowed(desk: Desk) -> None:
    assert desk.refusal(desk.answer(digest="sha1")) == "sha1-not-allowed"
    allowed = replace(desk.broker, config=replace(desk.broker.config, allow_sha1=True))
    assert allowed.validate(desk.answer(digest="sha1")).ticket


def test_an_algorithm_that_names_its_digest_is_taken(desk: Desk) -> None:
    def name_it(info: cms.ContentInfo, card: Card) -> None:
        signer(info)["signature_algorithm"] = {"algorithm": "sha256_rsa"}

    assert desk.broker.validate(desk.spoiled(name_it)).ticket


def test_more_certificates_than_the_signers_do_no_harm(desk: Desk) -> None:
    other = desk.card("three-roles").as_asn1

    def add(info: cms.ContentInfo, card: Card) -> None:
        info["content"]["certificates"] = [other, card.as_asn1]

    assert desk.broker.validate(desk.spoiled(add)).person.uid == "555000000002"


def test_a_signer_named_by_key_identifier_is_found(desk: Desk) -> None:
    def name_it(info: cms.ContentInfo, card: Card) -> None:
        identifier = card.as_asn1.key_identifier
        signer(info)["sid"] = cms.SignerIdentifier("subject_key_identifier", identifier)

    assert desk.broker.validate(desk.spoiled(name_it)).ticket


def tlv(tag: int, *parts: bytes) -> bytes:
    """A DER value: asn1crypto makes only what it knows."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def cms_with_attributes(card: Card, challenge: bytes, signed: bytes = b"", unsigned: bytes = b"") -> bytes:
    """A SignedData with one attribute more."""
    usual = sign_cms(card, challenge, attributes=True)
    signed = b"".join(attribute.dump() for attribute in signer(usual)["signed_attrs"]) + signed
    names = ("version", "sid", "digest_algorithm")
    fields = [signer(usual)[name].dump() for name in names]
    fields += [tlv(0xA0, signed), signer(usual)["signature_algorithm"].dump()]
    fields += [tlv(0x04, card.raw_signature(tlv(0x31, signed), "sha256"))]
    fields += [tlv(0xA1, unsigned)] if unsigned else []
    content = usual["content"]
    before = [content[name].dump() for name in ("version", "digest_algorithms", "encap_content_info", "certificates")]
    return tlv(0x30, usual["content_type"].dump(), tlv(0xA0, tlv(0x30, *before, tlv(0x31, tlv(0x30, *fields)))))


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param("1.2.840.113549.1.9.16.2.17", "300ea0040c024742a1060c044c656564", id="signer-location"),
        pytest.param("1.2.3.4", "3010310e300c06035504030c055043203137", id="a-name"),
        pytest.param("2.16.840.1.113733.1.9.99", "1f8101030a0b0c", id="a-tag-of-no-type"),
        pytest.param("1.2.840.113549.1.9.5", "0c0774756573646179", id="a-signing-time-that-is-text"),
    ],
)
def test_attributes_that_nobody_knows_do_no_harm(desk: Desk, kind: str, value: str, signed: bool) -> None:
    card = desk.card()
    challenge, echo = desk.challenge()
    attribute = tlv(0x30, core.ObjectIdentifier(kind).dump(), tlv(0x31, bytes.fromhex(value)))
    answer = cms_with_attributes(card, challenge, **{"signed" if signed else "unsigned": attribute})
    assert desk.broker.validate(message(card.uid, answer, echo)).ticket


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(b"\x30", id="cut-after-the-tag"),
        pytest.param(b"\x30\x00", id="empty"),
        pytest.param(b"\x30\x84\xff\xff\xff\xff", id="length-beyond-the-end"),
        pytest.param(b"\x30\x03\x02\x01\x00", id="not-a-content-info"),
        pytest.param(b"\x30\x80" * 20_000, id="deep-nesting"),
        pytest.param(b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", id="no-content"),
    ],
)
def test_bytes_that_are_no_cms_are_refused(desk: Desk, der: bytes) -> None:
    _, echo = desk.challenge()
    assert desk.refusal(message("555000000002", der, echo)).startswith("cms-")


def test_bytes_behind_the_cms_are_refused(desk: Desk) -> None:
    answer = desk.answer()
    der = base64.b64decode(answer["response"]) + b"\0"
    assert desk.refusal({**answer, "response": base64.b64encode(der).decode()}) == "cms-malformed"
