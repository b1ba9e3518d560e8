"""`--trust FILE` beside `openssl verify -crl_check`: both judge a card alike, whatever its CAs have been through.

Where every CA has a list, the broker looks all certificates up, as `-crl_check_all` does.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from support.machine import need
from support.spine import Desk
from support.spine_client import Card, make_card

from spine_stub.errors import BrokerError
from spine_stub.pki.authority import Issuer, Validity, ec_key, make_issuing, make_root, rsa_key
from spine_stub.pki.revocation import make_revocation_list

UID = "555000000002"
PemObject = x509.Certificate | x509.CertificateRevocationList
Scene = tuple[Card, Sequence[PemObject]]
"""A card, and what is known of its CAs: the root first."""


@pytest.fixture(autouse=True)
def _needed() -> None:
    need("openssl")


class Authorities:
    """A root, an issuing CA, and the same CA with another key, which the first one certified."""

    def __init__(self, desk: Desk) -> None:
        self.now, self.data = desk.clock(), desk.data
        self.root = make_root(rsa_key(), self.now)
        self.first = make_issuing(self.root, rsa_key(), self.now)
        self.second = self.certified(self.first, 30)

    def certified(self, by: Issuer, days: float) -> Issuer:
        """The issuing CA's name for another key; the certificate began a month ago."""
        key, is_ca = rsa_key(), (x509.BasicConstraints(ca=True, path_length=None), True)
        validity = Validity(self.now - timedelta(days=30), self.now + timedelta(days=days))
        return Issuer(by.issue(self.first.certificate.subject, key.public_key(), validity, [is_ca]), key)

    def scene(self, issuer: Issuer, lister: Issuer, revoked: bool = False, authorities: Sequence[Issuer] = ()) -> Scene:
        card = make_card(self.data, UID, ec_key(), issuer=issuer)
        revocations = make_revocation_list(lister, [card.certificate] if revoked else [], self.now)
        known = authorities or (self.root, self.first, self.second)
        return card, [*(each.certificate for each in known), revocations]


def one_key(ca: Authorities) -> Scene:
    return ca.scene(ca.first, ca.first)


def one_key_and_revoked(ca: Authorities) -> Scene:
    return ca.scene(ca.first, ca.first, revoked=True)


def the_first_key_lists_cards_of_the_second(ca: Authorities) -> Scene:
    return ca.scene(ca.second, ca.first)


def the_first_key_lists_revoked_cards_of_the_second(ca: Authorities) -> Scene:
    return ca.scene(ca.second, ca.first, revoked=True)


def a_key_that_nobody_certified_lists(ca: Authorities) -> Scene:
    return ca.scene(ca.first, Issuer(ca.first.certificate, rsa_key()))


def the_root_lists(ca: Authorities) -> Scene:
    return ca.scene(ca.first, ca.root)


def the_second_key_has_expired(ca: Authorities) -> Scene:
    expired = ca.certified(ca.first, -1)
    return ca.scene(expired, ca.first, authorities=(ca.root, ca.first, expired))


def the_cas_certificate_is_not_there(ca: Authorities) -> Scene:
    return ca.scene(ca.second, ca.first, authorities=(ca.root, ca.first))


def every_ca_lists(ca: Authorities, *revoked: Issuer) -> Scene:
    card, (*known, of_cards) = ca.scene(ca.first, ca.first, authorities=(ca.root, ca.first))
    return card, [*known, of_cards, make_revocation_list(ca.root, [each.certificate for each in revoked], ca.now)]


def the_ca_is_revoked(ca: Authorities) -> Scene:
    return every_ca_lists(ca, ca.first)


SCENES: list[Callable[[Authorities], Scene]] = [
    one_key, one_key_and_revoked, the_first_key_lists_cards_of_the_second, a_key_that_nobody_certified_lists,
    the_first_key_lists_revoked_cards_of_the_second, the_root_lists, the_second_key_has_expired,
    the_cas_certificate_is_not_there,
]  # fmt: skip
WITH_ALL_LISTS: list[Callable[[Authorities], Scene]] = [every_ca_lists, the_ca_is_revoked]


@pytest.mark.parametrize(
    ("scene", "check"),
    [*((scene, "-crl_check") for scene in SCENES), *((scene, "-crl_check_all") for scene in WITH_ALL_LISTS)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_openssl_and_the_broker_agree(
    desk: Desk, tmp_path: Path, scene: Callable[[Authorities], Scene], check: str
) -> None:
    card, known = scene(Authorities(desk))
    files = {"root": known[:1], "all": known, "card": [card.certificate]}
    for name, objects in files.items():
        (tmp_path / name).write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in objects))
    verify = ["openssl", "verify", check, "-CAfile", "root", "-untrusted", "all", "-CRLfile", "all", "card"]
    verdict = subprocess.run(verify, cwd=tmp_path, capture_output=True, timeout=30, check=False)
    trusting = Desk.open(desk.data, trust=(tmp_path / "all",))
    try:
        accepted = bool(trusting.broker.validate(trusting.answer(card)).ticket)
    except BrokerError:
        accepted = False
    assert accepted == (verdict.returncode == 0), verdict.stderr.decode()
