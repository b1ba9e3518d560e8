"""Revocation lists: making them, and what they say of a certificate (RFC 5280, section 5)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from ..errors import DataError
from .authority import Issuer, ca_validity

REASONS = {
    reason.name.replace("_", "-"): reason
    for reason in x509.ReasonFlags
    if reason not in (x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl)
}
"""The reason codes of section 5.3.1 by name; where none is given a list has none."""


def reason_named(name: str) -> x509.ReasonFlags | None:
    """Return the reason of this name, and none for an empty one; raises DataError."""
    if name and name not in REASONS:
        raise DataError(f"{name!r} is no reason to revoke; there are: {', '.join(REASONS)}")
    return REASONS.get(name)


def make_revocation_list(
    issuer: Issuer,
    revoked: Iterable[x509.Certificate],
    now: datetime,
    earlier: Iterable[x509.RevokedCertificate] = (),
    reason: x509.ReasonFlags | None = None,
) -> x509.CertificateRevocationList:
    """Make the list of an authority, which goes on from an earlier one; it holds as long as the authority."""
    validity = ca_validity(now)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(validity.not_before)
        .next_update(validity.not_after)
        .add_extension(issuer.key_identifier, critical=False)
    )
    for known in (*earlier, *(_entry(certificate, now, reason) for certificate in revoked)):
        builder = builder.add_revoked_certificate(known)
    return builder.sign(issuer.key, SHA256())


def why_revoked(certificate: x509.Certificate, lists: Iterable[x509.CertificateRevocationList]) -> str:
    """Return the name of the reason that one of the lists gives; nothing where none gives one."""
    for revocations in lists:
        entry = revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry and revocations.issuer == certificate.issuer:
            with suppress(x509.ExtensionNotFound):
                code = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
                return code.name.replace("_", "-")
    return ""


def _entry(certificate: x509.Certificate, now: datetime, reason: x509.ReasonFlags | None) -> x509.RevokedCertificate:
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now)
    if reason:
        entry = entry.add_extension(x509.CRLReason(reason), critical=False)
    return entry.build()
