"""Forged answers: each breaks one check, and is refused for that check's own reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import cms
from support.spine import Desk, Spoil
from support.spine_client import Card, message, resign, set_attributes, sign_cms, signer

from spine_stub.pki.authority import ec_key, rsa_key


def other_outer_type(info: cms.ContentInfo, card: Card) -> None:
    inner = info["content"]["encap_content_info"]["content"].native
    info["content_type"] = "data"
    info["content"] = inner


def no_signer(info: cms.ContentInfo, card: Card) -> None:
    info["content"]["signer_infos"] = []


def second_signer(info: cms.ContentInfo, card: Card) -> None:
    info["content"]["signer_infos"] = [signer(info), signer(info).copy()]


def no_certificate(info: cms.ContentInfo, card: Card) -> None:
    info["content"]["certificates"] = []


def signer_with_another_serial(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["sid"].chosen["serial_number"] = 4711


def signer_with_another_issuer(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["sid"].chosen["issuer"] = card.as_asn1.subject


def detached(info: cms.ContentInfo, card: Card) -> None:
    info["content"]["encap_content_info"] = {"content_type": "data"}


def another_content(info: cms.ContentInfo, card: Card) -> None:
    info["content"]["encap_content_info"]["content"] = b"pay the bearer"
    resign(info, card)


def content_with_a_byte_more(info: cms.ContentInfo, card: Card) -> None:
    content = info["content"]["encap_content_info"]["content"].native
    info["content"]["encap_content_info"]["content"] = content + b"\0"
    resign(info, card)


def content_of_another_type(info: cms.ContentInfo, card: Card) -> None:
    content = info["content"]["encap_content_info"]["content"].native
    info["content"]["version"] = "v3"
    info["content"]["encap_content_info"] = cms.EncapsulatedContentInfo(
        {"content_type": "1.2.840.113549.1.9.16.1.24", "content": content}  # asn1crypto parses no such content
    )


def md5(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["digest_algorithm"] = {"algorithm": "md5"}


def sha224(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["digest_algorithm"] = {"algorithm": "sha224"}


def digest_confusion(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["signature_algorithm"] = {"algorithm": "sha1_rsa"}


def pss(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["signature_algorithm"] = {"algorithm": "rsassa_pss"}


def dsa(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["signature_algorithm"] = {"algorithm": "sha256_dsa"}


def ecdsa_with_an_rsa_key(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["signature_algorithm"] = {"algorithm": "sha256_ecdsa"}


def a_flipped_bit(info: cms.ContentInfo, card: Card) -> None:
    signature = bytearray(signer(info)["signature"].native)
    signature[-1] ^= 1
    signer(info)["signature"] = bytes(signature)


def no_signature(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["signature"] = b""


def a_longer_signature(info: cms.ContentInfo, card: Card) -> None:
    signer(info)["signature"] = signer(info)["signature"].native + b"\0"


def signature_over_the_other_digest(info: cms.ContentInfo, card: Card) -> None:
    content = info["content"]["encap_content_info"]["content"].native
    signer(info)["signature"] = card.raw_signature(content, "sha512")


def another_key(info: cms.ContentInfo, card: Card) -> None:
    resign(info, replace(card, key=rsa_key()))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (other_outer_type, "cms-not-signed-data"),
        (no_signer, "not-one-signer"),
        (second_signer, "not-one-signer"),
        (no_certificate, "certificate-missing"),
        (signer_with_another_serial, "certificate-missing"),
        (signer_with_another_issuer, "certificate-missing"),
        (detached, "content-missing"),
        (another_content, "content-not-the-challenge"),
        (content_with_a_byte_more, "content-not-the-challenge"),
        (content_of_another_type, "content-type-wrong"),
        (md5, "digest-not-supported"),
        (sha224, "digest-not-supported"),
        (digest_confusion, "digest-contradiction"),
        (pss, "signature-algorithm-not-supported"),
        (dsa, "signature-algorithm-not-supported"),
        (ecdsa_with_an_rsa_key, "key-and-algorithm-differ"),
        (a_flipped_bit, "signature-wrong"),
        (no_signature, "signature-wrong"),
        (a_longer_signature, "signature-wrong"),
        (signature_over_the_other_digest, "signature-wrong"),
        (another_key, "signature-wrong"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_forgery_is_refused_for_its_own_reason(desk: Desk, spoil: Spoil, reason: str) -> None:
    assert desk.refusal(desk.spoiled(spoil)) == reason


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"message_digest": None}, "content-type-attribute-wrong"),
        ({"content_type": "signed_data", "message_digest": None}, "content-type-attribute-wrong"),
        ({"content_type": "data"}, "message-digest-wrong"),
        ({"content_type": "data", "message_digest": b"\0" * 32}, "message-digest-wrong"),
        ({"content_type": "data", "message_digest": []}, "message-digest-wrong"),
        ({"content_type": ["data"] * 2, "message_digest": None}, "content-type-attribute-wrong"),
        ({"content_type": "data", "message_digest": [None, None]}, "message-digest-wrong"),
    ],
    ids=[
        "no-content-type", "another-content-type", "no-digest", "another-digest", "empty-digest",
        "two-content-types", "two-digests",
    ],
)  # fmt: skip
def test_signed_attributes_must_name_the_content(desk: Desk, attributes: dict[str, Any], reason: str) -> None:
    """None stands for the right digest."""

    def replace_attributes(info: cms.ContentInfo, card: Card) -> None:
        right = signer(info)["signed_attrs"][1]["values"][0].native
        changed = dict(attributes)
        if "message_digest" in changed:
            digest = changed["message_digest"]
            many = [right for _ in digest] if isinstance(digest, list) else digest or right
            changed["message_digest"] = many
        set_attributes(info, **changed)
        resign(info, card)

    assert desk.refusal(desk.spoiled(replace_attributes, attributes=True)) == reason


def test_a_signature_over_the_content_does_not_stand_for_attributes(desk: Desk) -> None:
    """RFC 5652 5.4: with signed attributes, it is they that are signed."""

    def sign_content(info: cms.ContentInfo, card: Card) -> None:
        content = info["content"]["encap_content_info"]["content"].native
        signer(info)["signature"] = card.raw_signature(content, "sha256")

    assert desk.refusal(desk.spoiled(sign_content, attributes=True)) == "signature-wrong"


def test_an_rsa_algorithm_with_an_ec_key_is_refused(desk: Desk, ec_card: Card) -> None:
    challenge, echo = desk.challenge()
    info = sign_cms(replace(ec_card, key=ec_key()), challenge)
    signer(info)["signature_algorithm"] = {"algorithm": "rsassa_pkcs1v15"}
    assert desk.refusal(message(ec_card.uid, info, echo)) == "key-and-algorithm-differ"
