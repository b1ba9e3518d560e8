"""The registration authority: people, cards and certificates come and go, and a running broker knows at once."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from support.spine import Desk
from support.spine_client import Card, make_card

from spine_stub.errors import DataError
from spine_stub.folder import REVOCATION_LIST
from spine_stub.people.directory import Role
from spine_stub.people.toml import load_people
from spine_stub.pki import demo_cards
from spine_stub.pki.authority import ec_key, rsa_key
from spine_stub.pki.registration import RegistrationAuthority, with_role

UID = "555000000002"
FIELDS = ("LAN001", "THE LANYARD SURGERY", "Clinical", "Clinical Provision", "Nurse")


def open_desk(data: Path, **settings: object) -> Desk:
    random = (b"%020d" % number for number in range(10**6))
    return Desk.open(data, lambda size: next(random).ljust(size)[:size], **settings)


@pytest.fixture
def own_desk(data: Path) -> Desk:
    """A broker whose DIR the test may change."""
    return open_desk(data)


@pytest.fixture
def registration(own_desk: Desk) -> RegistrationAuthority:
    return own_desk.registration


def test_a_new_person_signs_in_with_a_new_card(own_desk: Desk, registration: RegistrationAuthority) -> None:
    person = registration.add_person("Jo Bloggs")
    registration.edit_person(with_role(person, *FIELDS))
    folder = registration.issue_card(person.uid)
    login = own_desk.broker.validate(own_desk.answer(own_desk.card(folder.name)))
    assert (person.uid, folder.name) == ("555000000009", "jo-bloggs")
    assert [role.id for role in login.person.roles] == ["555100000901"]


def test_a_new_person_has_roles_at_once(registration: RegistrationAuthority, data: Path) -> None:
    whole = Role("7", None, "THE LANYARD SURGERY", "G", "S", "N")
    person = registration.add_person("Jo Bloggs", [whole, FIELDS])
    assert [role.id for role in person.roles] == ["7", "555100000901"]
    assert load_people(data / "people.toml").get(person.uid) == person


def test_a_card_has_the_form_of_the_others(registration: RegistrationAuthority, data: Path) -> None:
    folder = registration.issue_card(UID, "spare", days=30)
    other = data / "cards" / "one-role"
    assert {path.name for path in folder.iterdir()} == {path.name for path in other.iterdir()}
    made, known = (json.loads((each / "card.json").read_text()) for each in (folder, other))
    assert made.keys() == known.keys()
    assert made["guid"] != known["guid"]
    assert registration.cards_of(UID) == ["one-role", "spare"]


def test_the_next_card_of_a_name_gets_a_number(registration: RegistrationAuthority) -> None:
    names = [registration.issue_card(UID).name for _ in range(2)]
    assert names == ["bryn-hughes", "bryn-hughes-2"]


@pytest.mark.parametrize(
    ("uid", "card", "sentence"),
    [
        ("555999999999", "", "nobody has the uid"),
        (UID, "one-role", "there is a card one-role already"),
        (UID, "../x", "cannot be a card's name"),
        (UID, "Upper", "cannot be a card's name"),
    ],
)
def test_a_card_that_cannot_be_is_said(registration: RegistrationAuthority, uid: str, card: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        registration.issue_card(uid, card)


@pytest.mark.parametrize("days", [10**12, -(10**5)])
def test_a_life_that_cannot_be_is_said(registration: RegistrationAuthority, days: int) -> None:
    with pytest.raises(DataError, match="days"):
        registration.issue_card(UID, "spare", days)
    assert registration.cards_of(UID) == ["one-role"]


def test_what_cannot_be_written_leaves_no_half_of_a_card(
    registration: RegistrationAuthority, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(demo_cards, "key_pem", full)
    with pytest.raises(DataError, match="No space left"):
        registration.issue_card(UID, "spare")
    assert not (data / "cards" / "spare").exists()


@pytest.mark.parametrize("content", [b"", None])
def test_a_revocation_list_that_cannot_be_read_is_said(
    registration: RegistrationAuthority, data: Path, content: bytes | None
) -> None:
    path = data / REVOCATION_LIST
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(path))):
        registration.revoke_card("one-role")


def test_a_revoked_card_is_refused_at_once(own_desk: Desk, registration: RegistrationAuthority) -> None:
    assert own_desk.broker.validate(own_desk.answer()).ticket
    assert registration.revoke_card("one-role") == 4
    assert registration.revoke_card("one-role") == 0
    assert own_desk.refusal(own_desk.answer()) == "certificate-revoked"
    assert own_desk.refusal(own_desk.answer(own_desk.card("revoked"))) == "certificate-revoked", "earlier ones stay"
    assert own_desk.broker.validate(own_desk.answer(own_desk.card("three-roles"))).ticket


def test_a_list_that_cannot_be_read_leaves_the_old_one(own_desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    (own_desk.data / REVOCATION_LIST).write_text("nothing")
    assert own_desk.broker.validate(own_desk.answer()).ticket
    assert own_desk.refusal(own_desk.answer(own_desk.card("revoked"))) == "certificate-revoked"
    assert "the lists read before still hold" in caplog.text


def test_a_revoked_person_is_out(own_desk: Desk, registration: RegistrationAuthority) -> None:
    ticket = own_desk.broker.validate(own_desk.answer()).ticket
    assert registration.revoke_person(UID) == 4
    with pytest.raises(Exception, match="ticket-not-valid"):
        own_desk.broker.session(ticket)
    assert own_desk.refusal(own_desk.answer()) == "certificate-revoked"
    assert own_desk.refusal(own_desk.answer(make_card(own_desk.data, UID, ec_key()))) == "person-inactive"


def csr(key: object = None, name: str = "whatever") -> x509.CertificateSigningRequestBuilder:
    return x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    )


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_certificate_for_a_key_made_elsewhere_signs_in(
    own_desk: Desk, registration: RegistrationAuthority, encoding: Encoding
) -> None:
    key = rsa_key()
    pem = registration.issue_certificate(UID, csr().sign(key, SHA256()).public_bytes(encoding))
    card = Card(UID, x509.load_pem_x509_certificate(pem), key)
    assert own_desk.broker.validate(own_desk.answer(card)).person.uid == UID
    assert registration.revoke_person(UID) == 5, "a certificate from a request is revoked with the others"


def test_a_request_decides_nothing_but_the_key(registration: RegistrationAuthority) -> None:
    request = csr(name="555000000001").sign(ec_key(), SHA256())
    certificate = x509.load_pem_x509_certificate(
        registration.issue_certificate(UID, request.public_bytes(Encoding.PEM))
    )
    assert [str(part.value) for part in certificate.subject] == ["nhs", "people", UID]


def test_requests_that_cannot_be_are_said(registration: RegistrationAuthority) -> None:
    good = csr().sign(ec_key(), SHA256()).public_bytes(Encoding.DER)
    ed = csr().sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.DER)
    for request, sentence in (
        (b"nothing", "not a certificate request"),
        (b"-----BEGIN X-----", "not a certificate request"),
        (good[:-4] + bytes(4), "not signed with the key|not a certificate request"),
        (ed, "neither RSA nor EC"),
    ):
        with pytest.raises(DataError, match=sentence):
            registration.issue_certificate(UID, request)


@pytest.mark.parametrize(
    ("cn", "uid", "sentence"),
    [
        ("<b>", "", "^person 555000000009: cn is not usable: '<b>'$"),
        (" ", "", "cn is not usable"),
        ("A", "12", "uid is not usable"),
        ("A", UID, "already: Bryn Hughes"),
    ],
)
def test_a_person_that_cannot_be_is_said(registration: RegistrationAuthority, cn: str, uid: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        registration.add_person(cn, uid=uid)


def test_a_role_that_cannot_be_is_said(registration: RegistrationAuthority, data: Path) -> None:
    person = load_people(data / "people.toml")[UID]
    for field, value in (("name", "<b>"), ("org_code", '"')):
        changed = replace(person.roles[0], **{field: value})
        with pytest.raises(DataError, match=f"^role {changed.id} of person {UID}: {field} is not usable"):
            registration.edit_person(replace(person, roles=(changed,)))
