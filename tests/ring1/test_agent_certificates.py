"""Certificates as cards have them: stored in any way that other programs read, with any subject, dates and key."""

from __future__ import annotations

import gzip
import zlib

import pytest
from asn1crypto import keys, x509
from support.agent import fails
from support.emulator import UID
from support.scripted_card import (
    CARD,
    NOW,
    SUCCESS,
    BrokenCard,
    OneCardReader,
    card_certificate,
    read_card,
    tlv,
    use_card,
)

from agent import CardFacts, Certificate, Digest, Fault, signed_data, unsigned_data

DER = card_certificate()


FIELDS = ("version", "serial_number", "signature", "issuer", "validity", "subject", "subject_public_key_info")


def changed(**fields: bytes) -> bytes:
    """The card's certificate with these fields (DER) of its TBSCertificate, and a signature that nobody looks at."""
    certificate = x509.Certificate.load(DER)
    body = [fields.get(name) or certificate["tbs_certificate"][name].dump() for name in FIELDS]
    return tlv(
        0x30, tlv(0x30, *body), *(certificate[name].dump() for name in ("signature_algorithm", "signature_value"))
    )


# How it is stored


def net_id(der: bytes) -> bytes:
    """As Net iD stores it: 01 00, the length with its low byte first, zlib."""
    return b"\x01\x00" + len(der).to_bytes(2, "little") + zlib.compress(der)


STORED = {
    "plain": tlv(0x70, DER) + tlv(0x71, b"\0"),
    "gzip (SP 800-73-4 part 1, appendix A, table 10)": tlv(0x70, gzip.compress(DER)) + tlv(0x71, b"\x01"),
    "zlib": tlv(0x70, zlib.compress(DER)) + tlv(0x71, b"\x01"),
    "gzip, the old bit": tlv(0x70, gzip.compress(DER)) + tlv(0x71, b"\x80"),
    "gzip, unsaid": tlv(0x70, gzip.compress(DER)),
    "plain, said to be gzip": tlv(0x70, DER) + tlv(0x71, b"\x01"),
    "Net iD": tlv(0x70, net_id(DER)) + tlv(0x71, b"\x01"),
    "without its last parts": tlv(0x70, DER),
    "with an error detection code": tlv(0x70, DER) + tlv(0x71, b"\0") + tlv(0xFE),
    "zeros behind": tlv(0x70, DER) + tlv(0x71, b"\0") + tlv(0xFE) + bytes(64),
    "filler before and between": b"\0\xff" + tlv(0x70, DER) + b"\xff\xff" + tlv(0x71, b"\0") + b"\0",
    "zeros behind the certificate": tlv(0x70, DER + bytes(32)) + tlv(0x71, b"\0"),
    "its parts in another order": tlv(0x71, b"\0") + tlv(0x70, DER),
}


@pytest.mark.parametrize("way", STORED)
def test_a_certificate_is_read_in_whatever_way_it_is_stored(way: str) -> None:
    card = BrokenCard(certificate=tlv(0x53, STORED[way]) + SUCCESS)
    assert read_card(OneCardReader(card), CARD, NOW).certificate.der == DER


def test_filler_around_the_object() -> None:
    card = BrokenCard(certificate=tlv(0x53, tlv(0x70, DER)) + bytes(9) + SUCCESS)
    assert read_card(OneCardReader(card), CARD, NOW).certificate.der == DER


# Whose it is


def attribute(kind: str, value: bytes) -> bytes:
    """AttributeTypeAndValue (RFC 5280, appendix A.1) with the DER of any value."""
    return tlv(0x30, x509.NameType(kind).dump(), value)


def subject(*attributes: bytes) -> bytes:
    """Certificate with these attributes, each in a set of its own, in its subject."""
    return changed(subject=tlv(0x30, *(tlv(0x31, each) for each in attributes)))


PEOPLE = attribute("organization_name", tlv(0x0C, b"nhs"))
SUBJECTS = {
    "UTF8String": subject(PEOPLE, attribute("common_name", tlv(0x0C, b"12"))),
    "PrintableString": subject(PEOPLE, attribute("common_name", tlv(0x13, b"12"))),
    "BMPString": subject(attribute("common_name", tlv(0x1E, "12".encode("utf-16-be")))),
    "TeletexString": subject(attribute("common_name", tlv(0x14, b"12"))),
    "UniversalString": subject(attribute("common_name", tlv(0x1C, "12".encode("utf-32-be")))),
    "several, the last is most specific": subject(
        attribute("common_name", tlv(0x0C, b"people")), attribute("common_name", tlv(0x0C, b"12"))
    ),
    "two in one set": subject(PEOPLE + attribute("common_name", tlv(0x0C, b"12"))),
    "beside an attribute that nobody knows": subject(
        attribute("1.2.3.4", tlv(0x30, tlv(0x02, b"\1"))), attribute("common_name", tlv(0x0C, b"12"))
    ),
    "beside an attribute in no encoding": subject(
        attribute("organization_name", tlv(0x0C, b"\xe9")), attribute("common_name", tlv(0x0C, b"12"))
    ),
    "with a line break and an escape sequence": subject(attribute("common_name", tlv(0x0C, b"1\x1b2\n"))),
}


@pytest.mark.parametrize("shape", SUBJECTS)
def test_whose_card_it_is_is_read_from_a_subject_of_any_shape(shape: str) -> None:
    certificate = Certificate.parse(SUBJECTS[shape])
    assert certificate.uid in ("12", "1 2")
    assert signed_data(unsigned_data(b"challenge", Digest.SHA256, certificate), bytes(256))


def test_an_issuer_in_no_encoding_is_no_obstacle() -> None:
    odd = changed(issuer=tlv(0x30, tlv(0x31, attribute("organization_name", tlv(0x0C, b"\xe9")))))
    certificate = Certificate.parse(odd)
    assert certificate.uid == UID
    assert signed_data(unsigned_data(b"challenge", Digest.SHA256, certificate), bytes(256))


@pytest.mark.parametrize("value", [tlv(0x0C, b"\xe9"), tlv(0x1E, b"\0"), tlv(0x02, b"\1"), tlv(0x30)])
def test_a_common_name_that_is_no_text_is_said_to_be_unreadable(value: bytes) -> None:
    with fails(Fault.BAD_CERTIFICATE):
        Certificate.parse(subject(attribute("common_name", value)))


@pytest.mark.parametrize("attributes", [(), (PEOPLE,)])
def test_nobodys_certificate_is_said_to_be_unreadable(attributes: tuple[bytes, ...]) -> None:
    with fails(Fault.BAD_CERTIFICATE):
        Certificate.parse(subject(*attributes))


# Until when


def valid(not_before: bytes, not_after: bytes = b"\x18\x0f20350101000000Z") -> bytes:
    return changed(validity=tlv(0x30, not_before, not_after))


@pytest.mark.parametrize(
    "moment",
    [
        b"\x18\x0f00000101000000Z",
        b"\x18\x0f20261301000000Z",
        b"\x18\x0f20260230000000Z",
        b"\x17\x0d991301000000Z",
        b"\x18\x00",
        b"\x18\x04soon",
        b"\x04\x01\x00",
    ],
)
def test_a_date_that_is_none_is_said_to_be_unreadable(moment: bytes) -> None:
    for der in (valid(moment), valid(b"\x17\x0d200101000000Z", moment)):
        with fails(Fault.BAD_CERTIFICATE):
            Certificate.parse(der)


@pytest.mark.parametrize(
    "moment",
    [
        b"\x17\x0d200101000000Z",
        b"\x17\x0b2001010000Z",
        b"\x17\x11200101010000+0100",
        b"\x18\x0f20200101000000Z",
        b"\x18\x0e20200101000000",
        b"\x18\x1320200101000000+0100",
    ],
)
def test_dates_in_every_form_are_compared(moment: bytes) -> None:
    CardFacts(Certificate.parse(valid(moment)), 3).check(NOW)
    CardFacts(Certificate.parse(valid(moment, b"\x18\x0f99991231235959Z")), 3).check(NOW)


# Which key


def rsa(bits: int) -> keys.PublicKeyInfo:
    """A public key of that size; nobody has its private key."""
    modulus = (1 << (bits - 1)) | 1
    return keys.PublicKeyInfo.wrap(keys.RSAPublicKey({"modulus": modulus, "public_exponent": 65537}), "rsa")


@pytest.mark.parametrize(("bits", "identifier"), [(1024, 0x06), (2048, 0x07), (3072, 0x05), (4096, 0x16)])
def test_rsa_keys_of_every_size_sign(bits: int, identifier: int) -> None:
    """SP 800-78-4, table 6-2; 05 and 16 as YubiKeys have them since 5.7."""
    signature = b"\x5a" * (bits // 8)
    card = BrokenCard(
        certificate=tlv(0x53, tlv(0x70, changed(subject_public_key_info=rsa(bits).dump()))) + SUCCESS,
        sign=tlv(0x7C, tlv(0x82, signature)) + SUCCESS,
    )
    assert use_card(card) == signature
    parts = [apdu for apdu in card.sent if apdu[1] == 0x87]
    assert {apdu[2] for apdu in parts} == {identifier}
    template = b"".join(apdu[5 : 5 + apdu[4]] for apdu in parts)
    assert len(template) > bits // 8 > len(template) - 16


def curve(name: str) -> keys.PublicKeyInfo:
    parameters = keys.ECDomainParameters(name="named", value=name)
    point = keys.ECPointBitString(b"\x04" + bytes(64))
    return keys.PublicKeyInfo({"algorithm": {"algorithm": "ec", "parameters": parameters}, "public_key": point})


def ed25519() -> keys.PublicKeyInfo:
    return keys.PublicKeyInfo({"algorithm": {"algorithm": "ed25519"}, "public_key": bytes(32)})


@pytest.mark.parametrize("key", [rsa(512), rsa(8192), curve("secp256k1"), curve("brainpoolp256r1"), ed25519()])
def test_another_kind_of_key_is_said_to_be_not_supported(key: keys.PublicKeyInfo) -> None:
    with fails(Fault.KEY_NOT_USABLE) as caught:
        Certificate.parse(changed(subject_public_key_info=key.dump()))
    assert "not supported" in caught.value.says
