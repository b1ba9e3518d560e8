"""Certificates with one thing wrong, made from the right ones.

Where DIR/ca holds the issuer (NAME.cert.pem with its NAME.key.pem beside it, as the stand-in broker
keeps its test CA), what is altered is signed by it again, so that the dates are the only thing
wrong. Otherwise a made-up CA of the same name signs, which whoever checks the chain will notice.
"""

from __future__ import annotations

import datetime
import functools
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..identifiers import DataTag
from ..iso7816 import tlv
from ..keys.certificates import to_der
from ..keys.key_pairs import KeyPair
from ..piv import objects

_COMPRESSED = 0x01
_DAY = datetime.timedelta(days=1)
_LIFE = datetime.timedelta(days=730)


class Wrong(StrEnum):
    """What can be wrong with a certificate."""

    CORRUPT = "corrupt"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    OTHER_CA = "other-ca"


@functools.lru_cache(maxsize=64)
def altered(data_object: bytes, wrong: Wrong, authorities: Path) -> bytes:
    """Return a certificate object as GET DATA returns it, with the certificate altered.

    What is no certificate object is returned as it is. Dates count from when it is first altered.
    """
    try:
        parts = tlv.parse(tlv.parse(data_object)[DataTag.DATA])
        der = parts[DataTag.CERTIFICATE]
        if parts.get(DataTag.CERTIFICATE_INFORMATION, b"\0")[0] & _COMPRESSED:
            der = objects.decompress(der)
        der = _corrupt(der) if wrong is Wrong.CORRUPT else _reissued(der, wrong, authorities)
    except (ValueError, KeyError, IndexError, OSError):
        return data_object
    return tlv.encode(DataTag.DATA, objects.certificate(der))


def _corrupt(der: bytes) -> bytes:
    """Turn every bit of its second half: the length is right, and it is no certificate."""
    half = len(der) // 2
    return der[:half] + bytes(octet ^ 0xFF for octet in der[half:])


def _reissued(der: bytes, wrong: Wrong, authorities: Path) -> bytes:
    """Sign it again: same holder, key, number and extensions; other dates or another CA."""
    old = x509.load_der_x509_certificate(der)
    issuer, key = _other_ca() if wrong is Wrong.OTHER_CA else (old.issuer, _key_of(old, authorities))
    begin, end = _dates(wrong)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(issuer)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return to_der(builder.sign(key, hashes.SHA256()))


def _dates(wrong: Wrong) -> tuple[datetime.datetime, datetime.datetime]:
    """Return from when until when it holds; naive and in UTC, as old versions of the library want it."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    if wrong is Wrong.EXPIRED:
        return now - _LIFE, now - _DAY
    if wrong is Wrong.NOT_YET_VALID:
        return now + _DAY, now + _LIFE
    return now - _DAY, now + _LIFE


def _key_of(certificate: x509.Certificate, authorities: Path) -> Any:
    """Return the key of the CA that issued it, or of a made-up one."""
    for path in sorted(authorities.glob("*.cert.pem")):
        key = path.with_name(path.name.replace(".cert.pem", ".key.pem"))
        if key.exists() and x509.load_pem_x509_certificate(path.read_bytes()).subject == certificate.issuer:
            return load_pem_private_key(key.read_bytes(), None)
    return _other_ca()[1]


@functools.cache
def _other_ca() -> tuple[x509.Name, KeyPair]:
    name = x509.Name.from_rfc4514_string("CN=Not the CA you trust,O=Somebody else")
    return name, ec.generate_private_key(ec.SECP256R1())
