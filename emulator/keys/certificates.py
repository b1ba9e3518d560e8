"""Certificates and requests for a card's keys (RFC 5280, RFC 2986), and PKCS#12 files (RFC 7292).

Subject and key usage are those of NHS cards: O=nhs, OU=people, CN=<uid>. No extension is critical
and none has a BOOLEAN TRUE: one client encodes certificates again, with an encoder that writes TRUE
in a way that breaks the signature.
"""

from __future__ import annotations

import datetime
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID, ObjectIdentifier

from ..errors import CardError
from ..identifiers import KeyReference
from .key_pairs import KeyPair

_CARD_AUTHENTICATION = ObjectIdentifier("2.16.840.1.101.3.6.8")  # id-PIV-cardAuth, FIPS 201-2, appendix B.1
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def self_signed(uid: str, reference: KeyReference, pair: KeyPair, days: int) -> bytes:
    """Return a certificate in DER, from a day ago to the end of a day."""
    midnight = datetime.datetime.combine(datetime.datetime.now(datetime.UTC), datetime.time(), datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(uid))
        .issuer_name(_name(uid))
        .public_key(pair.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(midnight - datetime.timedelta(days=1))
        .not_valid_after(midnight + datetime.timedelta(days=days + 1, seconds=-1))
    )
    for extension in _extensions(reference, pair):
        builder = builder.add_extension(extension, critical=False)
    return to_der(builder.sign(pair, hashes.SHA256()))


def request(uid: str, reference: KeyReference, pair: KeyPair) -> bytes:
    """Return a PKCS#10 request in PEM, which asks for the extensions that the key needs."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(uid))
    for extension in _extensions(reference, pair):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(pair, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read_certificates(text: bytes) -> list[x509.Certificate]:
    """Return the certificates in a PEM file, or the one in a DER file; raise CardError."""
    blocks = _PEM.findall(text)
    try:
        found = [x509.load_pem_x509_certificate(block) for block in blocks]
        return found or [x509.load_der_x509_certificate(text)]
    except (ValueError, x509.InvalidVersion):
        raise CardError("The file holds no certificate.") from None


def to_der(certificate: x509.Certificate) -> bytes:
    """Return the certificate as a card has it."""
    return certificate.public_bytes(serialization.Encoding.DER)


def is_for(certificate: x509.Certificate, pair: KeyPair) -> bool:
    """Whether the certificate is for this key."""
    try:
        return _public_bytes(certificate.public_key()) == _public_bytes(pair.public_key())
    except ValueError:  # a kind of key that cryptography does not know
        return False


def read_pkcs12(
    content: bytes, password: bytes | None
) -> tuple[KeyPair, x509.Certificate | None, list[x509.Certificate]]:
    """Return the private key of a PKCS#12 file, its certificate, and those of other keys; raise CardError."""
    try:
        pair, certificate, others = pkcs12.load_key_and_certificates(content, password)
    except (ValueError, x509.InvalidVersion):
        raise CardError("The PKCS#12 file cannot be read: it is broken, or the password is wrong.") from None
    if not isinstance(pair, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise CardError("The PKCS#12 file holds no RSA or EC private key.")
    return pair, certificate, others


def write_pkcs12(name: str, pair: KeyPair, der: bytes | None, password: bytes | None) -> bytes:
    """Return a PKCS#12 file; without a password nothing in it is encrypted."""
    certificate = x509.load_der_x509_certificate(der) if der else None
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return pkcs12.serialize_key_and_certificates(name.encode(), pair, certificate, None, encryption)


def _name(uid: str) -> x509.Name:
    organisation = x509.Name.from_rfc4514_string("OU=people,O=nhs")
    return x509.Name([*organisation, x509.NameAttribute(NameOID.COMMON_NAME, uid)])


def _extensions(reference: KeyReference, pair: KeyPair) -> list[x509.ExtensionType]:
    """What the key is for (SP 800-73-4 Part 1, table 4b; FIPS 201-2, appendix B.1)."""
    wanted = {"digital_signature"}
    if reference == KeyReference.SIGNATURE:
        wanted = {"digital_signature", "content_commitment"}
    elif reference not in (KeyReference.AUTHENTICATION, KeyReference.CARD_AUTHENTICATION):
        wanted = {"key_encipherment" if isinstance(pair, rsa.RSAPrivateKey) else "key_agreement"}
    uses: list[x509.ExtensionType] = [x509.KeyUsage(**{use: use in wanted for use in _USES})]
    if reference == KeyReference.CARD_AUTHENTICATION:
        uses.append(x509.ExtendedKeyUsage([_CARD_AUTHENTICATION]))
    return uses


_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _public_bytes(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
