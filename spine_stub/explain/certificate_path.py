"""A card's certificate and the authorities above it, as the broker sees them: what to draw, and where it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa


@dataclass(frozen=True)
class Link:
    """One certificate of the chain, the card's first; `problem` says what is wrong with it or above it."""

    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    key: str
    problem: str = ""


def draw(card: bytes, authorities: Sequence[x509.Certificate], now: datetime) -> tuple[Link, ...]:
    """Return the links from a card's certificate, in DER, up, as far as they hold.

    Nothing for a certificate that cannot be read.
    """
    try:
        return tuple(_climb(card, authorities, now))
    except (ValueError, TypeError, UnsupportedAlgorithm):  # parts of a certificate are read only when asked for
        return ()


def _climb(card: bytes, known: Sequence[x509.Certificate], now: datetime) -> list[Link]:
    current = x509.load_der_x509_certificate(card)
    links: list[Link] = []
    for _ in range(len(known) + 1):
        above, problem = _above(current, known)
        links.append(_link(current, problem or _date_problem(current, now)))
        if problem or above is None:
            break
        current = above
    return links


def _above(certificate: x509.Certificate, known: Sequence[x509.Certificate]) -> tuple[x509.Certificate | None, str]:
    """The certificate's issuer, or why there is none; neither for a root that is known."""
    if certificate.subject == certificate.issuer:
        return None, "" if certificate in known else "a root that this broker does not know"
    namesakes = [authority for authority in known if authority.subject == certificate.issuer]
    for authority in namesakes:
        if _is_signed_by(certificate, authority):
            return authority, ""
    if namesakes:
        return None, "its issuer has the name of a known CA, but another key signed it"
    if certificate in known:  # an issuing CA can be trusted without its root
        return None, ""
    return None, f"no CA known here is called {certificate.issuer.rfc4514_string()}"


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    key, algorithm = authority.public_key(), certificate.signature_hash_algorithm
    signature, covered = certificate.signature, certificate.tbs_certificate_bytes
    try:
        if algorithm and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, covered, padding.PKCS1v15(), algorithm)
        elif algorithm and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, covered, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _dates(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    # python-cryptography 42 brought *_utc; reading the older ones warns there.
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate.not_valid_before.replace(tzinfo=UTC), certificate.not_valid_after.replace(tzinfo=UTC)


def _date_problem(certificate: x509.Certificate, now: datetime) -> str:
    begin, end = _dates(certificate)
    if now < begin:
        return "not valid yet"
    return "expired" if now > end else ""


def _link(certificate: x509.Certificate, problem: str) -> Link:
    begin, end = _dates(certificate)
    key = certificate.public_key()
    return Link(
        subject=_readable(certificate.subject),
        issuer=_readable(certificate.issuer),
        serial=f"{certificate.serial_number:x}",
        not_before=f"{begin:%Y-%m-%d}",
        not_after=f"{end:%Y-%m-%d %H:%M}",
        key=_describe(key),
        problem=problem,
    )


def _describe(key: object) -> str:
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.key_size}"
    return type(key).__name__


def _readable(name: x509.Name) -> str:
    return ", ".join(f"{attribute.rfc4514_attribute_name}={attribute.value!s}" for attribute in name)
