"""The card's answer: a CMS SignedData over the challenge (RFC 5652 section 5).

`read` turns bytes into a `SignedChallenge` of plain values, which is the only place that meets
asn1crypto's lazy parsing; every `check_*` then is one rule. Agents of 2017 sign without signed
attributes (docs/protocol.md 3), newer libraries with them: both are valid CMS and both are taken.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import cms, core, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..config import KEPT_CERTIFICATES
from ..errors import Refused

_DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

PARSE_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What asn1crypto raises when lazily parsed bytes turn out not to be what they should."""


KeyKind = type[rsa.RSAPublicKey] | type[ec.EllipticCurvePublicKey]
"""The kinds of keys that cards sign with."""

_SIGNATURE_ALGORITHMS: dict[str, tuple[KeyKind, str | None]] = {
    # asn1crypto's name: kind of key, and the digest where the name itself says one
    "rsassa_pkcs1v15": (rsa.RSAPublicKey, None),
    "ecdsa": (ec.EllipticCurvePublicKey, None),
    **{f"{digest}_rsa": (rsa.RSAPublicKey, digest) for digest in _DIGESTS},
    **{f"{digest}_ecdsa": (ec.EllipticCurvePublicKey, digest) for digest in _DIGESTS},
}


@dataclass(frozen=True)
class CardCertificate:
    """The signer's certificate and what the broker looks at in it."""

    der: bytes
    public_key: bytes
    """SubjectPublicKeyInfo, DER."""
    common_names: tuple[str, ...]
    key_usage: frozenset[str]
    extended_key_usage: frozenset[str] | None
    """None when the certificate has no such extension, which means any use."""
    issuer_and_serial_number: bytes
    """As a signer names them, if it encodes the name as the certificate does (RFC 5652 10.2.4)."""
    key_identifier: bytes | None

    def is_named_by(self, sid: cms.SignerIdentifier) -> bool:
        """Whether a signer means this certificate."""
        if sid.name == "subject_key_identifier":
            return bool(self.key_identifier == sid.native)
        # Equal bytes are the rule; comparing names as RFC 5280 says is slow.
        if self.issuer_and_serial_number == sid.chosen.dump():
            return True
        own = cms.IssuerAndSerialNumber.load(self.issuer_and_serial_number)
        if own["serial_number"].native != sid.chosen["serial_number"].native:
            return False
        return bool(own["issuer"] == sid.chosen["issuer"])


@dataclass(frozen=True)
class SignedAttributes:
    """The attributes that the signer signed in place of the content."""

    encoded: bytes
    """The attributes as the signature covers them: with the tag of SET OF (RFC 5652 5.4)."""
    content_types: tuple[str, ...]
    message_digests: tuple[bytes, ...]


@dataclass(frozen=True)
class SignedChallenge:
    """A SignedData with exactly one signer, whose certificate is in it."""

    content_type: str
    content: bytes | None
    digest: str
    signature_algorithm: str
    signature: bytes
    attributes: SignedAttributes | None
    certificate: CardCertificate


def read(encoded: bytes) -> SignedChallenge:
    """Parse a ContentInfo with a SignedData; raises Refused."""
    try:
        return _read(encoded)
    except PARSE_ERRORS as exc:
        raise Refused("cms-malformed", type(exc).__name__) from exc


def check_content(signed: SignedChallenge, challenge: bytes) -> None:
    """The signed content is the challenge, the whole challenge and nothing else."""
    if signed.content_type != "data":
        raise Refused("content-type-wrong", f"the signed content is {signed.content_type}, not data")
    if signed.content is None:
        raise Refused("content-missing", "a detached signature")
    if not hmac.compare_digest(signed.content, challenge):
        raise Refused("content-not-the-challenge", f"{len(signed.content)} bytes of something else")


def check_digest_allowed(signed: SignedChallenge, allow_sha1: bool) -> None:
    """The digest is one we know; SHA-1 only where the broker was told to take it."""
    if signed.digest not in _DIGESTS:
        raise Refused("digest-not-supported", signed.digest)
    if signed.digest == "sha1" and not allow_sha1:
        raise Refused("sha1-not-allowed", "start the broker with --allow-sha1 to take it")


def check_signature_algorithm(signed: SignedChallenge) -> KeyKind:
    """The algorithm is one we take, and its digest is the declared one; returns the kind of key."""
    try:
        kind, digest = _SIGNATURE_ALGORITHMS[signed.signature_algorithm]
    except KeyError:
        raise Refused("signature-algorithm-not-supported", signed.signature_algorithm) from None
    if digest not in (None, signed.digest):
        raise Refused("digest-contradiction", f"{signed.digest} and {signed.signature_algorithm}")
    return kind


def check_attributes(signed: SignedChallenge) -> None:
    """Signed attributes, when there are any, name the content's type and digest (RFC 5652 11)."""
    attributes = signed.attributes
    if attributes is None:
        return
    if attributes.content_types != (signed.content_type,):
        raise Refused("content-type-attribute-wrong")
    digest = hashlib.new(signed.digest, signed.content or b"", usedforsecurity=False)
    if attributes.message_digests != (digest.digest(),):
        raise Refused("message-digest-wrong", "not the digest of the content")


def check_signature(signed: SignedChallenge, kind: KeyKind) -> None:
    """The signature was made with the key of the certificate."""
    covered = signed.attributes.encoded if signed.attributes else signed.content or b""
    digest = _DIGESTS[signed.digest]()
    try:
        key = _load_key(signed.certificate.public_key)
        if not isinstance(key, kind):
            raise Refused("key-and-algorithm-differ", signed.signature_algorithm)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signed.signature, covered, padding.PKCS1v15(), digest)
        else:
            key.verify(signed.signature, covered, ec.ECDSA(digest))
    except InvalidSignature as exc:
        raise Refused("signature-wrong", "not made with the certificate's key") from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise Refused("public-key-not-usable", type(exc).__name__) from exc


@lru_cache(maxsize=KEPT_CERTIFICATES)
def _load_key(encoded: bytes) -> object:
    return load_der_public_key(encoded)


def _read(encoded: bytes) -> SignedChallenge:
    info = cms.ContentInfo.load(encoded, strict=True)
    if info["content_type"].native != "signed_data":
        raise Refused("cms-not-signed-data", str(info["content_type"].native))
    signed_data = info["content"]
    signers = signed_data["signer_infos"]
    if len(signers) != 1:
        raise Refused("not-one-signer", f"{len(signers)} signers")
    signer = signers[0]
    inner = signed_data["encap_content_info"]
    return SignedChallenge(
        content_type=inner["content_type"].native,
        content=_content(inner),
        digest=signer["digest_algorithm"]["algorithm"].native,
        signature_algorithm=signer["signature_algorithm"]["algorithm"].native,
        signature=signer["signature"].native,
        attributes=_read_attributes(signer["signed_attrs"]),
        certificate=_find_certificate(signed_data["certificates"], signer),
    )


def _content(inner: core.Sequence) -> bytes | None:
    # asn1crypto reads the content of version 1 as the one type and of later versions as the other.
    # Not .native: that would try to parse content that happens to look like ASN.1.
    content = inner["content"]
    is_octets = isinstance(content, core.OctetString | core.ParsableOctetString)
    return bytes(content) if is_octets else None


def _read_attributes(attributes: cms.CMSAttributes) -> SignedAttributes | None:
    if not isinstance(attributes, cms.CMSAttributes):
        return None
    return SignedAttributes(
        encoded=attributes.untag().dump(),
        content_types=tuple(str(value) for value in _values(attributes, "content_type")),
        message_digests=tuple(value for value in _values(attributes, "message_digest") if isinstance(value, bytes)),
    )


def _values(attributes: cms.CMSAttributes, name: str) -> list[object]:
    """The values of one attribute. The others stay unread: they may be of kinds that asn1crypto does not know."""
    named = [attribute for attribute in attributes if attribute["type"].native == name]
    return [value for attribute in named for value in attribute["values"].native]


def _find_certificate(certificates: cms.CertificateSet, signer: cms.SignerInfo) -> CardCertificate:
    candidates = certificates if isinstance(certificates, cms.CertificateSet) else ()
    for choice in candidates:
        if choice.name == "certificate":
            certificate = _read_certificate(choice.chosen.dump())
            if certificate.is_named_by(signer["sid"]):
                return certificate
    raise Refused("certificate-missing", "no certificate in the CMS is the signer's")


@lru_cache(maxsize=KEPT_CERTIFICATES)
def _read_certificate(encoded: bytes) -> CardCertificate:
    """Read a certificate to plain values: asn1crypto's own, read as they are asked for, are not for threads."""
    certificate = x509.Certificate.load(encoded)
    names = [
        pair["value"].native
        for rdn in certificate.subject.chosen
        for pair in rdn
        if pair["type"].native == "common_name"
    ]
    usage = certificate.key_usage_value
    extended = certificate.extended_key_usage_value
    named = cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})
    return CardCertificate(
        der=encoded,
        public_key=certificate.public_key.dump(),
        common_names=tuple(names),
        key_usage=frozenset(usage.native if usage else ()),
        extended_key_usage=frozenset(extended.native) if extended else None,
        issuer_and_serial_number=named.dump(),
        key_identifier=certificate.key_identifier,
    )
