"""Whether a card's certificate is one of ours, in its time, and made for signing in.

The chain (root, issuing CA, card), the dates and the revocation list are OpenSSL's to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import crypto

from .errors import Refused
from .signed_data import CardCertificate

# X509_V_ERR_* of OpenSSL's x509_vfy.h; pyOpenSSL hands out the numbers without names.
_NOT_YET_VALID = 9
_EXPIRED = 10
_REVOKED = 23

_REASONS = {
    _NOT_YET_VALID: "certificate-not-yet-valid",
    _EXPIRED: "certificate-expired",
    _REVOKED: "certificate-revoked",
}


@dataclass(frozen=True)
class Trust:
    """The root, the issuing CA and its revocation list."""

    authorities: tuple[crypto.X509, ...]
    revocations: x509.CertificateRevocationList

    @classmethod
    def load(cls, authorities: list[Path], revocation_list: Path) -> Trust:
        """Read PEM files; raises OSError, ValueError and crypto.Error."""
        certificates = (crypto.load_certificate(crypto.FILETYPE_PEM, path.read_bytes()) for path in authorities)
        return cls(tuple(certificates), x509.load_pem_x509_crl(revocation_list.read_bytes()))

    def check_chain(self, certificate: CardCertificate, now: datetime) -> None:
        """Raises Refused, with a reason of its own for dates and for revocation."""
        try:
            card = crypto.load_certificate(crypto.FILETYPE_ASN1, certificate.der)
        except crypto.Error as exc:
            raise Refused("certificate-malformed") from exc
        try:
            crypto.X509StoreContext(self._store(now), card).verify_certificate()
        except crypto.X509StoreContextError as exc:
            code, depth, text = exc.errors
            reason = _REASONS.get(code) if depth == 0 else None
            raise Refused(reason or "certificate-not-trusted", str(text)) from exc

    def _store(self, now: datetime) -> crypto.X509Store:
        # A store keeps the first time it was given, so each check has a store of its own.
        store = crypto.X509Store()
        for authority in self.authorities:
            store.add_cert(authority)
        _add_crl(store, self.revocations)
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
        store.set_time(now)
        return store


def check_usage(certificate: CardCertificate) -> None:
    """The certificate is for signing in.

    9C is for signing documents (nonRepudiation) and 9E opens doors without a passcode (its
    extended key usage says so): neither proves that its owner just typed a passcode.
    """
    if "digital_signature" not in certificate.key_usage:
        raise Refused("certificate-wrong-usage", "no digitalSignature in its key usage")
    extended = certificate.extended_key_usage
    if extended is not None and extended.isdisjoint({"client_auth", "any_extended_key_usage"}):
        raise Refused("certificate-wrong-usage", "its extended key usage is not clientAuth")


def _add_crl(store: crypto.X509Store, crl: x509.CertificateRevocationList) -> None:
    try:
        store.add_crl(crl)
    except AttributeError:  # pyOpenSSL before 23.3 takes a class of its own only, which later ones do not have
        before: Any = crypto
        store.add_crl(before.CRL.from_cryptography(crl))
