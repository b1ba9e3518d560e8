"""The test certificate authority: names, keys and certificates (RFC 5280).

Subjects have the order and the values of the real ones (docs/protocol.md 7): O=nhs, OU=people, CN=<uid>
under O=nhs, OU=CA. Cards' issuing CA and 9A have RSA 2048 keys, which the oldest clients understand. The root's is
P-256, as that of the TLS certificates under it, and costs a start nothing to make or load.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Extension = tuple[x509.ExtensionType, bool]
"""An extension and whether it is critical."""

_CA_LIFE = timedelta(days=20 * 365)
_TLS_LIFE = timedelta(days=800)
"""Browsers and Apple's TLS accept up to 825 days. Each start makes a new certificate."""
_BEFORE_CARDS = timedelta(days=5 * 365)
"""How long ago the authorities began: before the oldest card, which has expired already."""

_KEY_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True)
class Validity:
    """From when until when a certificate holds."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class Issuer:
    """A certificate with its key, able to sign others."""

    certificate: x509.Certificate
    key: PrivateKey

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Issuer:
        """Read an authority back from its PEM files; raises OSError and ValueError."""
        private_key = load_pem_private_key(key.read_bytes(), password=None)
        if not isinstance(private_key, PrivateKey):
            raise ValueError(f"{key} is neither an RSA nor an EC key")
        return cls(read_certificate(certificate.read_bytes()), private_key)

    def issue(
        self, subject: x509.Name, public_key: PublicKey, validity: Validity, extensions: Iterable[Extension]
    ) -> x509.Certificate:
        """Make a certificate; the identifiers of its key and of ours are added to `extensions`."""
        builder = _builder(subject, self.certificate.subject, public_key, validity, extensions)
        return builder.add_extension(self.key_identifier, critical=False).sign(self.key, SHA256())

    @property
    def key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """What certificates and lists name this authority's key by: it may have had others."""
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def rsa_key() -> rsa.RSAPrivateKey:
    """Make a key as the cards' 9A has it: this takes about a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def name(unit: str, common_name: str) -> x509.Name:
    """Give a name its form: O=nhs, OU=<unit>, CN=<common name>, in this order."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nhs"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def ca_validity(now: datetime) -> Validity:
    """How long authorities and their revocation lists hold."""
    return Validity(now - _BEFORE_CARDS, now + _CA_LIFE)


def make_root(key: PrivateKey, now: datetime) -> Issuer:
    """Make the root CA, whose certificate clients trust."""
    subject = name("CA", "Lanyard Test Root")
    builder = _builder(subject, subject, key.public_key(), ca_validity(now), _ca_extensions(1))
    return Issuer(builder.sign(key, SHA256()), key)


def make_issuing(root: Issuer, key: PrivateKey, now: datetime) -> Issuer:
    """Make the CA that signs the cards' certificates."""
    subject = name("CA", "Lanyard Test SubCA01")
    certificate = root.issue(subject, key.public_key(), ca_validity(now), _ca_extensions(0))
    return Issuer(certificate, key)


def make_tls_certificate(
    root: Issuer, key: ec.EllipticCurvePrivateKey, hosts: Iterable[str], now: datetime
) -> x509.Certificate:
    """Make a TLS server's certificate for these host names and IP addresses."""
    extensions: list[Extension] = [
        (x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (key_usage("digital_signature"), True),
    ]
    validity = Validity(now - timedelta(days=1), now + _TLS_LIFE)
    subject = name("servers", "Lanyard test broker")
    return root.issue(subject, key.public_key(), validity, extensions)


def key_usage(*uses: str) -> x509.KeyUsage:
    """Make a KeyUsage of just these uses, by python-cryptography's names."""
    return x509.KeyUsage(**{use: use in uses for use in _KEY_USES})


def key_pem(key: PrivateKey) -> bytes:
    """Encode a key as PKCS#8 PEM, without a password: all keys here are test keys."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_certificate(content: bytes) -> x509.Certificate:
    """Return the certificate in PEM or DER; raises ValueError, for a version that X.509 does not have too."""
    load = x509.load_pem_x509_certificate if b"-----BEGIN " in content else x509.load_der_x509_certificate
    try:
        return load(content)
    except x509.InvalidVersion as exc:
        raise ValueError(str(exc)) from exc


def certificate_pem(certificate: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Encode a certificate or a revocation list as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: PublicKey, validity: Validity, extensions: Iterable[Extension]
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder


def _ca_extensions(path_length: int) -> list[Extension]:
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (key_usage("key_cert_sign", "crl_sign"), True),
    ]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
