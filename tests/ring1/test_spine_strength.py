"""Weak keys and broken digests: they neither sign in nor are they certified (FIPS 186-5, SP 800-131A, SP 800-78-4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import csr as asn1_csr
from asn1crypto import keys as asn1_keys
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from support.spine import Desk
from support.spine_client import Card, KeylessCard, make_card, reissue

from spine_stub.errors import DataError
from spine_stub.folder import ISSUING, ISSUING_KEY
from spine_stub.pki.authority import Issuer, PrivateKey, ec_key, make_issuing, make_root, rsa_key

UID = "555000000002"
SECP160R1 = bytes.fromhex("303e301006072a8648ce3d020106052b81040008032a00") + b"\x04" + bytes(range(40))
"""A key on a curve that SEC 2 names 1.3.132.0.8 and that no library here knows."""


def rsa_1024() -> PrivateKey:
    return rsa.generate_private_key(65537, 1024)  # noqa: S505


def rsa_with_exponent_3() -> PrivateKey:
    return rsa.generate_private_key(3, 2048)


def p_192() -> PrivateKey:
    return ec.generate_private_key(ec.SECP192R1())


def p_224() -> PrivateKey:
    return ec.generate_private_key(ec.SECP224R1())


WEAK_KEYS = (rsa_1024, rsa_with_exponent_3, p_192, p_224)
each_weak_key = pytest.mark.parametrize("make_key", WEAK_KEYS, ids=lambda make: make.__name__)


def issuing_ca(desk: Desk) -> Issuer:
    return Issuer.load(desk.data / ISSUING, desk.data / ISSUING_KEY)


@each_weak_key
def test_a_weak_key_does_not_sign_in(desk: Desk, make_key: Callable[[], PrivateKey]) -> None:
    assert desk.refusal(desk.answer(make_card(desk.data, UID, make_key()))) == "certificate-too-weak"


@pytest.mark.parametrize("public_key", ["exponent-1", "secp160r1"])
def test_a_key_that_libraries_refuse_to_know_does_not_sign_in(desk: Desk, public_key: str) -> None:
    """Older ones know the exponent 1, with which anybody signs; newer ones do not read such a key."""
    encoded = {"exponent-1": KeylessCard.PUBLIC_KEY, "secp160r1": SECP160R1}[public_key]
    certificate = reissue(desk.card().certificate, issuing_ca(desk).key, public_key=encoded)
    refusal = desk.refusal(desk.answer(KeylessCard(UID, certificate, desk.card().key)))
    assert refusal in ("certificate-too-weak", "public-key-not-usable")


@pytest.mark.parametrize("digest", ["md5", "sha1"])
@pytest.mark.parametrize("allow_sha1", [False, True])
def test_a_certificate_signed_with_a_broken_digest_does_not_sign_in(
    demo_data: Path, digest: str, allow_sha1: bool
) -> None:
    """--allow-sha1 is about what cards sign, not about what CAs signed."""
    desk = Desk.open(demo_data, allow_sha1=allow_sha1)
    card = desk.card()
    weak = Card(UID, reissue(card.certificate, issuing_ca(desk).key, digest=digest), card.key)
    assert desk.refusal(desk.answer(weak)) == "certificate-too-weak"


@pytest.mark.parametrize("weak", ["key", "signature"])
def test_a_weak_ca_lets_nobody_in(demo_data: Path, desk: Desk, tmp_path: Path, weak: str) -> None:
    root = make_root(rsa_key(), desk.clock())
    key = rsa.generate_private_key(3, 2048) if weak == "key" else rsa_key()
    issuing = make_issuing(root, key, desk.clock())
    if weak == "signature":
        issuing = Issuer(reissue(issuing.certificate, root.key, digest="sha1"), key)
    path = tmp_path / "other.pem"
    path.write_bytes(b"".join(ca.certificate.public_bytes(Encoding.PEM) for ca in (root, issuing)))
    trusting = Desk.open(demo_data, trust=(path,))
    assert trusting.refusal(trusting.answer(make_card(demo_data, UID, ec_key(), issuer=issuing))) == (
        "certificate-too-weak"
    )


def request_for(key: PrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "whatever")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return request.public_bytes(Encoding.DER)


def request_with(public_key: bytes) -> bytes:
    """A request for a key that python-cryptography does not make, signed with the exponent 1."""
    request = asn1_csr.CertificationRequest.load(request_for(rsa_key()))
    request["certification_request_info"]["subject_pk_info"] = asn1_keys.PublicKeyInfo.load(public_key)
    covered = request["certification_request_info"].dump(force=True)
    request["signature"] = KeylessCard(UID, None, None).raw_signature(covered, "sha256")  # type: ignore[arg-type]
    return bytes(request.dump(force=True))


@each_weak_key
def test_a_weak_key_is_not_certified(desk: Desk, make_key: Callable[[], PrivateKey]) -> None:
    with pytest.raises(DataError, match=r"the request cannot be granted: it is for an? (RSA )?key "):
        desk.registration.issue_certificate(UID, request_for(make_key()))


@pytest.mark.parametrize("public_key", [KeylessCard.PUBLIC_KEY, SECP160R1], ids=["exponent-1", "secp160r1"])
def test_a_key_that_libraries_refuse_to_know_is_not_certified(desk: Desk, public_key: bytes) -> None:
    with pytest.raises(DataError, match=r"the request cannot be granted: it is for an? (RSA )?key |not a cert"):
        desk.registration.issue_certificate(UID, request_with(public_key))
