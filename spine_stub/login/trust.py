"""Whether a card's certificate is one of ours, in its time, strong enough, and made for signing in.

The path (root, issuing CA, card), the dates and the revocation list are OpenSSL's to judge, as
`openssl verify -crl_check` does, and `-crl_check_all` where the authorities' own certificates have a list.
Our lists are read again when they have changed, so that a card that is revoked is refused at once. Other
people's CAs (`--trust`) stand beside ours; each file of them has its own revocation lists, or none. Every
file that knows a certificate's CA has to accept it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from asn1crypto import pem
from cryptography import x509
from OpenSSL import crypto

from ..config import KEPT_CERTIFICATES
from ..errors import DataError, Refused
from ..folder import stamp_of
from ..pki.authority import read_certificate
from ..pki.revocation import why_revoked
from ..pki.strength import key_weakness, signature_weakness
from .signed_data import CardCertificate

_log = logging.getLogger("spine_stub")

CertificatePath = tuple[x509.Certificate, ...]
"""A card's certificate and those above it, up to an authority that is trusted."""

# X509_V_ERR_* of OpenSSL's x509_vfy.h; pyOpenSSL hands out the numbers without names.
_REVOKED = 23
_REASONS = {9: "certificate-not-yet-valid", 10: "certificate-expired", _REVOKED: "certificate-revoked"}
"""NOT_YET_VALID, HAS_EXPIRED and REVOKED, when they are said of the card's own certificate."""
_NOT_TRUSTED = "certificate-not-trusted"
_UNREADABLE_NAME = "a name that cannot be read"
_LONGEST_NAME = 200
_UNKNOWN_ISSUER = {2, 7, 18, 19, 20, 21}
"""No issuer (2, 20), a signature by another key (7, 21), self-signed (18, 19): the CA that made it is not there."""


@dataclass(frozen=True)
class Anchors:
    """Authorities that are trusted, and their revocation lists; without a list none is asked for."""

    authorities: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]

    @classmethod
    def read(cls, *paths: Path) -> Anchors:
        """Read PEM files with certificates and lists; raises OSError and ValueError."""
        blocks = [block for path in paths for block in pem.unarmor(path.read_bytes(), multiple=True)]
        return cls(
            tuple(read_certificate(der) for kind, _, der in blocks if "CERTIF" in kind),
            tuple(x509.load_der_x509_crl(der) for kind, _, der in blocks if kind == "X509 CRL"),
        )

    def store(self, now: datetime, flags: int = 0) -> crypto.X509Store:
        """OpenSSL's view of them at a time."""
        store = crypto.X509Store()
        for authority in self.authorities:
            store.add_cert(crypto.X509.from_cryptography(authority))
        for revocations in self.revocations:
            _add_crl(store, revocations)
        store.set_flags(flags | self._looked_up)
        store.set_time(now)
        return store

    @property
    def _looked_up(self) -> int:
        """Which certificates of a path are looked up in the lists: all where whoever certified an authority has one."""
        listing = {revocations.issuer for revocations in self.revocations}
        if not listing:
            return 0
        has_all = all(authority.issuer in listing for authority in self.authorities)
        return crypto.X509StoreFlags.CRL_CHECK | (crypto.X509StoreFlags.CRL_CHECK_ALL if has_all else 0)


class Trust:
    """The authorities of DIR with their revocation lists, and those of `--trust`."""

    def __init__(
        self, authorities: Sequence[Path], revocation_list: Path, root_list: Path, others: Sequence[Path] = ()
    ) -> None:
        """Read all files; raises OSError and ValueError, and DataError for `others`. `root_list` need not be there."""
        self._paths = (*authorities, revocation_list)
        self._lists = (revocation_list, root_list)
        self._stamps = [stamp_of(path) for path in self._lists]
        self._anchors = (self._read_ours(), *map(_read_other, others))
        self._now: datetime | None = None
        self._stores: list[tuple[Anchors, crypto.X509Store, crypto.X509Store]] = []
        self._lock = threading.Lock()

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """All authorities that are trusted, ours first."""
        return tuple(authority for anchors in self._anchors for authority in anchors.authorities)

    def check_chain(self, certificate: CardCertificate, now: datetime) -> CertificatePath:
        """The path from a certificate up; raises Refused, with a reason of its own for dates and for revocation."""
        try:
            parsed, card = _load(certificate.der)
        except (ValueError, crypto.Error) as exc:
            raise Refused("certificate-malformed") from exc
        with self._lock:
            stores = self._stores_at(now.replace(microsecond=0))
        found = [
            _path(anchors, to_a_root, card) or _path(anchors, to_any, card) for anchors, to_a_root, to_any in stores
        ]
        paths = [path for path in found if path]
        if not paths:
            raise Refused(_NOT_TRUSTED, _why_unknown(parsed, self.authorities))
        return (parsed, *(each.to_cryptography() for each in paths[0][1:]))

    def _stores_at(self, now: datetime) -> list[tuple[Anchors, crypto.X509Store, crypto.X509Store]]:
        """Two stores for each file, at one moment: a store keeps the first time that it was given.

        The first looks for a root: only so an authority that changed its key is found above its older self.
        For the second any authority is enough: an issuing CA may be trusted without its root.
        """
        if self._reload_if_changed() or self._now != now:
            any_authority = crypto.X509StoreFlags.PARTIAL_CHAIN
            self._now = now
            self._stores = [
                (anchors, anchors.store(now), anchors.store(now, any_authority)) for anchors in self._anchors
            ]
        return self._stores

    def _reload_if_changed(self) -> bool:
        stamps = [stamp_of(path) for path in self._lists]
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            self._anchors = (self._read_ours(), *self._anchors[1:])
        except (OSError, ValueError) as exc:
            _log.warning("%s or %s cannot be read (%s); the lists read before still hold", *self._lists, exc)
        return True

    def _read_ours(self) -> Anchors:
        root_list = [path for path in self._lists[1:] if path.exists()]
        return Anchors.read(*self._paths, *root_list)


@lru_cache(maxsize=KEPT_CERTIFICATES)
def check_strength(path: CertificatePath) -> None:
    """Every key and every signature from the card's certificate up is one that cannot be forged."""
    for certificate in path:
        # An authority is trusted because it is in a file: nobody needs the signature on it.
        weak = key_weakness(certificate) or (certificate is not path[-1] and signature_weakness(certificate))
        if weak:
            raise Refused("certificate-too-weak", f"{_name(certificate, 'subject')}: {weak}")


def check_usage(certificate: CardCertificate) -> None:
    """The certificate is for signing in.

    9C is for signing documents (nonRepudiation, whether or not digitalSignature stands beside it), and
    9E opens doors without a passcode (its extended key usage says so): neither proves that its owner
    just typed a passcode.
    """
    if "digital_signature" not in certificate.key_usage:
        raise Refused("certificate-wrong-usage", "no digitalSignature in its key usage")
    if "non_repudiation" in certificate.key_usage:
        raise Refused("certificate-wrong-usage", "nonRepudiation in its key usage: it is for signing documents")
    extended = certificate.extended_key_usage
    if extended is not None and extended.isdisjoint({"client_auth", "any_extended_key_usage"}):
        raise Refused("certificate-wrong-usage", "its extended key usage is not clientAuth")


@lru_cache(maxsize=KEPT_CERTIFICATES)
def _load(der: bytes) -> tuple[x509.Certificate, crypto.X509]:
    certificate = read_certificate(der)
    return certificate, crypto.X509.from_cryptography(certificate)


def _path(anchors: Anchors, store: crypto.X509Store, card: crypto.X509) -> list[crypto.X509]:
    """The path from a card up, or nothing where the store has no CA that made it; raises Refused."""
    try:
        return crypto.X509StoreContext(store, card).get_verified_chain()
    except crypto.X509StoreContextError as exc:
        _forget_errors()
        code, depth, text = exc.errors
        if code in _UNKNOWN_ISSUER:
            return []
        why = _why_revoked(exc.certificate, anchors) if code == _REVOKED else ""
        raise Refused(_reason(code, depth), f"{text}{why}: {_subject(exc.certificate)}") from exc


def _reason(code: int, depth: int) -> str:
    """The reason for an error of OpenSSL's about a card's certificate (depth 0) or about one above it."""
    if depth == 0:
        return _REASONS.get(code, _NOT_TRUSTED)
    return "authority-revoked" if code == _REVOKED else _NOT_TRUSTED


def _why_revoked(certificate: crypto.X509, anchors: Anchors) -> str:
    """The reason that a list gives, in brackets; OpenSSL may say "revoked" of what cannot be read."""
    with suppress(crypto.Error, ValueError):
        why = why_revoked(certificate.to_cryptography(), anchors.revocations)
        return f" ({why})" if why else ""
    return ""


def _forget_errors() -> None:
    """Empty the error queue that OpenSSL has for this thread, as pyOpenSSL does when it raises crypto.Error.

    A refused certificate leaves its errors there, and the thread's next TLS read would take them for its own.
    """
    with suppress(crypto.Error):
        crypto.load_certificate(crypto.FILETYPE_ASN1, b"")


def _why_unknown(card: x509.Certificate, authorities: Sequence[x509.Certificate]) -> str:
    issuer = _name(card, "issuer")
    if issuer in [_name(authority, "subject") for authority in authorities]:
        return f"another key than that of the CA here signed it: {issuer}"
    return f"no CA here is called {issuer}"


def _subject(certificate: crypto.X509) -> str:
    try:
        return _name(certificate.to_cryptography(), "subject")
    except crypto.Error:  # OpenSSL 3.5 writes no certificate whose key it cannot read
        return _UNREADABLE_NAME


def _name(certificate: x509.Certificate, whose: Literal["subject", "issuer"]) -> str:
    """A name for the log, where it can break no line."""
    try:
        return repr(getattr(certificate, whose).rfc4514_string())[:_LONGEST_NAME]
    except (TypeError, ValueError):  # names are read only when they are asked for
        return _UNREADABLE_NAME


def _read_other(path: Path) -> Anchors:
    try:
        anchors = Anchors.read(path)
    except OSError as exc:
        raise DataError(f"--trust {path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
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
