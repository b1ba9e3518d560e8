"""The card's answer in the variants that are taken, and bytes that are no answer at all."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from asn1crypto import cms
from support.spine import Desk
from support.spine_client import Card, message, signer


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
