"""Whether a card's certificate is one of ours, in its time, and made for signing in.

The chain (root, issuing CA, card), the dates and the revocation list are OpenSSL's to judge. The
list is read again when it has changed, so a card that is revoked is refused at once. Other people's
CAs (`--trust`) stand beside ours; each file of them has its own revocation lists, or none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from asn1crypto import pem
from cryptography import x509
from OpenSSL import crypto

from ..errors import DataError, Refused
from ..files import Stamp
from .signed_data import CardCertificate

_log = logging.getLogger("spine_stub")

# X509_V_ERR_* of OpenSSL's x509_vfy.h; pyOpenSSL hands out the numbers without names.
_NOT_YET_VALID = 9
_EXPIRED = 10
_REVOKED = 23

_REASONS = {
    _NOT_YET_VALID: "certificate-not-yet-valid",
    _EXPIRED: "certificate-expired",
    _REVOKED: "certificate-revoked",
}
_NOT_TRUSTED = "certificate-not-trusted"
_KEPT_CERTIFICATES = 500
"""The same cards come again and again."""


@dataclass(frozen=True)
class Anchors:
    """Authorities that are trusted, and their revocation lists; without a list none is asked for."""

    authorities: tuple[crypto.X509, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]

    @classmethod
    def read(cls, *paths: Path) -> Anchors:
        """Read PEM files with certificates and lists; raises OSError, ValueError and crypto.Error."""
        blocks = [block for path in paths for block in pem.unarmor(path.read_bytes(), multiple=True)]
        return cls(
            tuple(crypto.load_certificate(crypto.FILETYPE_ASN1, der) for kind, _, der in blocks if "CERTIF" in kind),
            tuple(x509.load_der_x509_crl(der) for kind, _, der in blocks if kind == "X509 CRL"),
        )

    def store(self, now: datetime) -> crypto.X509Store:
        """OpenSSL's view of them at a time."""
        store = crypto.X509Store()
        for authority in self.authorities:
            store.add_cert(authority)
        for revocations in self.revocations:
            _add_crl(store, revocations)
        # An issuing CA may be trusted without its root.
        flags = crypto.X509StoreFlags.PARTIAL_CHAIN
        store.set_flags(flags | crypto.X509StoreFlags.CRL_CHECK if self.revocations else flags)
        store.set_time(now)
        return store


class Trust:
    """The authorities of DIR with their revocation list, and those of `--trust`."""

    def __init__(self, authorities: Sequence[Path], revocation_list: Path, others: Sequence[Path] = ()) -> None:
        """Read all files; raises OSError, ValueError and crypto.Error, and DataError for `others`."""
        self._paths = (*authorities, revocation_list)
        self._revocation_list = revocation_list
        self._lock = threading.Lock()
        self._stamp = Stamp.of(revocation_list)
        self._anchors = (Anchors.read(*self._paths), *map(_read_other, others))
        self._stores: tuple[datetime, tuple[Anchors, ...], tuple[crypto.X509Store, ...]] | None = None

    @property
    def authorities(self) -> tuple[crypto.X509, ...]:
        """All authorities that are trusted, ours first."""
        return tuple(authority for anchors in self._anchors for authority in anchors.authorities)

    def check_chain(self, certificate: CardCertificate, now: datetime) -> None:
        """Raises Refused, with a reason of its own for dates and for revocation."""
        try:
            card = _load(certificate.der)
        except crypto.Error as exc:
            raise Refused("certificate-malformed") from exc
        refusals = []
        for store in self._stores_at(now.replace(microsecond=0)):
            refusal = _verify(store, card)
            if refusal is None:
                return
            refusals.append(refusal)
        # Of several opinions, the one of the CA that knows the certificate.
        raise next((refusal for refusal in refusals if refusal.reason != _NOT_TRUSTED), refusals[0])

    def _stores_at(self, second: datetime) -> tuple[crypto.X509Store, ...]:
        """The stores for one second: a store keeps the first time that it was given."""
        self._reload_if_changed()
        anchors, stores = self._anchors, self._stores
        # Another thread may have kept stores of the list before this one.
        if stores is None or stores[0] != second or stores[1] is not anchors:
            self._stores = stores = (second, anchors, tuple(each.store(second) for each in anchors))
        return stores[2]

    def _reload_if_changed(self) -> None:
        stamp = Stamp.of(self._revocation_list)
        if stamp == self._stamp:
            return
        with self._lock:
            try:
                self._anchors = (Anchors.read(*self._paths), *self._anchors[1:])
            except (OSError, ValueError, crypto.Error) as exc:
                _log.warning("%s cannot be read (%s); the list read before still holds", self._revocation_list, exc)
            self._stamp = stamp


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


@lru_cache(maxsize=_KEPT_CERTIFICATES)
def _load(der: bytes) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_ASN1, der)


def _verify(store: crypto.X509Store, card: crypto.X509) -> Refused | None:
    try:
        crypto.X509StoreContext(store, card).verify_certificate()
    except crypto.X509StoreContextError as exc:
        code, depth, text = exc.errors
        reason = _REASONS.get(code) if depth == 0 else None
        return Refused(reason or _NOT_TRUSTED, str(text))
    return None


def _read_other(path: Path) -> Anchors:
    try:
        anchors = Anchors.read(path)
    except OSError as exc:
        raise DataError(f"--trust {path} cannot be read: {exc.strerror}") from exc
    except (ValueError, crypto.Error) as exc:
        raise DataError(f"--trust {path} is not a PEM file with certificates: {exc}") from exc
    if not anchors.authorities:
        raise DataError(f"--trust {path} has no certificate in it")
    return anchors


def _add_crl(store: crypto.X509Store, crl: x509.CertificateRevocationList) -> None:
    try:
        store.add_crl(crl)
    except AttributeError:  # pyOpenSSL before 23.3 takes a class of its own only, which later ones do not have
        before: Any = crypto
        store.add_crl(before.CRL.from_cryptography(crl))
