"""A card's certificate and the authorities above it, as far as the broker found a way up: what to draw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asn1crypto import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import Refused
from ..login.signed_data import PARSE_ERRORS, CardCertificate
from ..login.trust import Trust
from .cms_tree import name_text


@dataclass(frozen=True)
class Link:
    """One certificate of the path, the card's first; `problem` says what is wrong with it or above it."""

    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    key: str
    problem: str = ""


def draw(trust: Trust, card: CardCertificate, now: datetime, problem: str = "") -> tuple[Link, ...]:
    """Return the links from a card's certificate up; only the first where something is wrong with it.

    Nothing for a certificate that cannot be read.
    """
    try:
        above = () if problem else trust.check_chain(card, now)[1:]
        encoded = (card.der, *(certificate.public_bytes(Encoding.DER) for certificate in above))
        first, *others = map(_link, encoded, (problem, *("" for _ in above)))
    except (Refused, *PARSE_ERRORS):  # parts of a certificate are read only when they are asked for
        return ()
    return (first, *others)


def _link(encoded: bytes, problem: str) -> Link:
    certificate = x509.Certificate.load(encoded)
    key = certificate.public_key
    return Link(
        subject=name_text(certificate.subject),
        issuer=name_text(certificate.issuer),
        serial=f"{certificate.serial_number:x}",
        not_before=f"{certificate.not_valid_before:%Y-%m-%d}",
        not_after=f"{certificate.not_valid_after:%Y-%m-%d %H:%M}",
        key=f"{key.algorithm.upper()} {key.bit_size}",
        problem=problem,
    )
