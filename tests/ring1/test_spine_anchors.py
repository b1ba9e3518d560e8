"""Other people's CAs, `--trust FILE`: who signs in with them, and that they open no way around our own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import pem
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from support.spine import Desk
from support.spine_client import Card, make_card

from spine_stub.errors import BrokerError, DataError
from spine_stub.folder import ISSUING, REVOCATION_LIST
from spine_stub.login.trust import Anchors
from spine_stub.pki.authority import Issuer, Validity, ec_key, make_issuing, make_root, name, rsa_key
from spine_stub.pki.revocation import make_revocation_list

UID = "555000000002"


def other_ca(folder: Path, desk: Desk, with_list: bool = False) -> tuple[Path, Card, Issuer]:
    """Somebody else's root, a card of its issuing CA, and a file to trust."""
    root = make_root(rsa_key(), desk.clock())
    issuing = make_issuing(root, rsa_key(), desk.clock())
    card = make_card(desk.data, UID, ec_key(), issuer=issuing)
    path = folder / "other.pem"
    path.write_bytes(b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (root, issuing)))
    if with_list:
        revocations = make_revocation_list(issuing, [card.certificate], desk.clock())
        path.write_bytes(path.read_bytes() + revocations.public_bytes(Encoding.PEM))
    return path, card, issuing


def test_somebody_elses_ca_is_trusted_when_told_to(desk: Desk, tmp_path: Path) -> None:
    path, card, _ = other_ca(tmp_path, desk)
    assert desk.refusal(desk.answer(card)) == "certificate-not-trusted"
    trusting = Desk.open(desk.data, trust=(path,))
    assert trusting.broker.validate(trusting.answer(card)).person.uid == UID
    assert trusting.broker.validate(trusting.answer()).ticket, "and ours still is"
    assert trusting.refusal(trusting.answer(trusting.card("revoked"))) == "certificate-revoked"


def test_an_issuing_ca_may_be_trusted_without_its_root(desk: Desk, tmp_path: Path) -> None:
    path, card, issuing = other_ca(tmp_path, desk)
    revocations = make_revocation_list(issuing, [], desk.clock())
    for known in ([issuing.certificate], [issuing.certificate, revocations]):
        path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in known))
        trusting = Desk.open(desk.data, trust=(path,))
        assert trusting.broker.validate(trusting.answer(card)).ticket


def test_somebody_elses_revocation_list_is_honoured(desk: Desk, tmp_path: Path) -> None:
    path, card, _ = other_ca(tmp_path, desk, with_list=True)
    trusting = Desk.open(desk.data, trust=(path,))
    assert trusting.refusal(trusting.answer(card)) == "certificate-revoked"


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot be read"), ("nothing", "not a PEM file"), ("", "not a PEM file|no certif")]
)
def test_a_file_that_cannot_be_trusted_is_said(
    demo_data: Path, tmp_path: Path, content: str | None, sentence: str
) -> None:
    path = tmp_path / "other.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=sentence):
        Desk.open(demo_data, trust=(path,))


def test_a_certificate_of_a_version_that_there_is_not_is_no_ca(demo_data: Path, tmp_path: Path) -> None:
    path, (_, _, der) = tmp_path / "other.pem", pem.unarmor((demo_data / ISSUING).read_bytes())
    path.write_bytes(pem.armor("CERTIFICATE", der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"))))
    with pytest.raises(DataError, match="not a PEM file with certificates: 3 is not"):
        Desk.open(demo_data, trust=(path,))


def test_a_revocation_list_alone_is_no_ca(demo_data: Path) -> None:
    assert Anchors.read(demo_data / REVOCATION_LIST).authorities == ()
    with pytest.raises(DataError, match="has no certificate"):
        Desk.open(demo_data, trust=(demo_data / REVOCATION_LIST,))


def test_our_own_ca_trusted_again_lets_no_revoked_card_in(desk: Desk) -> None:
    """Without our revocation list beside it."""
    trusting = Desk.open(desk.data, trust=(desk.data / ISSUING,))
    assert trusting.broker.validate(trusting.answer()).ticket
    for card in ("revoked", "expired"):
        assert trusting.refusal(trusting.answer(trusting.card(card))) == f"certificate-{card}"


def test_two_files_with_one_ca_must_agree(desk: Desk, tmp_path: Path) -> None:
    with_list, card, issuing = other_ca(tmp_path, desk, with_list=True)
    alone = tmp_path / "alone.pem"
    alone.write_bytes(issuing.certificate.public_bytes(Encoding.PEM))
    for trust in ((with_list, alone), (alone, with_list)):
        trusting = Desk.open(desk.data, trust=trust)
        assert trusting.refusal(trusting.answer(card)) == "certificate-revoked"


def test_a_refusal_names_the_ca_that_knows_the_certificate(desk: Desk, tmp_path: Path) -> None:
    path, _, issuing = other_ca(tmp_path, desk)
    expired = make_card(desk.data, UID, ec_key(), issuer=issuing, lifetime=(-2, -1))
    trusting = Desk.open(desk.data, trust=(path,))
    with pytest.raises(BrokerError, match="certificate-expired: certificate has expired: 'CN=555000000002"):
        trusting.broker.validate(trusting.answer(expired))


def test_a_refusal_names_the_issuer_that_nobody_knows(desk: Desk) -> None:
    """With what is in its name made harmless for the log."""
    key = rsa_key()
    stranger = Issuer(make_root(key, desk.clock()).certificate, key)
    forger = make_card(desk.data, UID, key, subject=name("CA", "Evil\nCA\u202e"), issuer=stranger).certificate
    card = make_card(desk.data, UID, ec_key(), issuer=Issuer(forger, key))
    with pytest.raises(BrokerError, match=r"no CA here is called 'CN=Evil\\nCA\\u202e,OU=CA,O=nhs'"):
        desk.broker.validate(desk.answer(card))


def changed_key(desk: Desk, revoked: bool) -> tuple[bytes, Card]:
    """A CA that changed its key: the old one signed the card, the new one signs the list (as NIST's PKITS, 4.5.1).

    The file to trust, and the card.
    """
    now, old_key = desk.clock(), rsa_key()
    root = make_root(rsa_key(), now)
    new = make_issuing(root, rsa_key(), now)
    is_ca = (x509.BasicConstraints(ca=True, path_length=None), True)
    validity = Validity(now - timedelta(days=1), now + timedelta(days=1))
    old = Issuer(new.issue(new.certificate.subject, old_key.public_key(), validity, [is_ca]), old_key)
    card = make_card(desk.data, UID, ec_key(), issuer=old)
    revocations = make_revocation_list(new, [card.certificate] if revoked else [], now)
    file = (root.certificate, new.certificate, old.certificate, revocations)
    return b"".join(each.public_bytes(Encoding.PEM) for each in file), card


@pytest.mark.parametrize("revoked", [False, True])
def test_a_new_key_of_a_ca_speaks_for_the_cards_of_the_old_one(desk: Desk, tmp_path: Path, revoked: bool) -> None:
    path = tmp_path / "other.pem"
    pem, card = changed_key(desk, revoked)
    path.write_bytes(pem)
    trusting = Desk.open(desk.data, trust=(path,))
    if revoked:
        assert trusting.refusal(trusting.answer(card)) == "certificate-revoked"
    else:
        assert trusting.broker.validate(trusting.answer(card)).ticket
