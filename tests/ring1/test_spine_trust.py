"""Whose certificate it is: chain, dates, revocation, use, and the person it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from OpenSSL import crypto
from support.spine import Desk
from support.spine_client import Card, message, sign_cms

from spine_stub.errors import Refused
from spine_stub.folder import ISSUING, ISSUING_KEY
from spine_stub.login.signed_data import CardCertificate
from spine_stub.pki import authority
from spine_stub.pki.demo_cards import Slot

UID = "555000000002"
Issue = Callable[..., Card]


@pytest.mark.parametrize("name", ["three-roles", "one-role", "forty-roles", "no-role", "expiring"])
def test_demonstration_cards_are_trusted(desk: Desk, name: str) -> None:
    assert desk.broker.validate(desk.answer(desk.card(name))).ticket


@pytest.mark.parametrize(("name", "reason"), [("expired", "certificate-expired"), ("revoked", "certificate-revoked")])
def test_demonstration_cards_for_refusals_are_refused(desk: Desk, name: str, reason: str) -> None:
    assert desk.refusal(desk.answer(desk.card(name))) == reason


@pytest.mark.parametrize("slot", ["9C", "9D", "9E"])
def test_the_other_keys_of_a_card_do_not_sign_in(desk: Desk, slot: str) -> None:
    """9E above all: it signs without a passcode."""
    assert desk.refusal(desk.answer(desk.card(slot=slot))) == "certificate-wrong-usage"


def test_a_certificate_holds_to_its_last_second(desk: Desk) -> None:
    card = desk.card()
    not_after = card.as_asn1.not_valid_after
    desk.clock.now = not_after - timedelta(seconds=1)
    assert desk.broker.validate(desk.answer(card)).ticket
    desk.clock.now = not_after + timedelta(seconds=1)
    assert desk.refusal(desk.answer(card)) == "certificate-expired"


def test_a_certificate_that_is_not_yet_valid_is_refused(desk: Desk, issue: Issue) -> None:
    card = issue(UID, authority.ec_key(), lifetime=(1, 2))
    assert desk.refusal(desk.answer(card)) == "certificate-not-yet-valid"


@pytest.mark.parametrize("octets", [bytes(3), b"\3\3\3", b"\xff\xff\xff"], ids=["0", "3", "255"])
def test_a_certificate_with_broken_bytes_is_refused(octets: bytes, desk: Desk) -> None:
    """Wherever they are: OpenSSL takes a key that it cannot read, and from 3.5 on cannot write the certificate."""
    whole = CardCertificate(desk.card().as_asn1.dump(), b"", (), frozenset(), None, b"", None)
    for at in range(len(whole.der)):
        broken = replace(whole, der=whole.der[:at] + octets + whole.der[at + 3 :])
        with pytest.raises(Refused):
            desk.broker.trust.check_chain(broken, desk.clock())


def test_another_ca_with_the_same_names_is_not_trusted(desk: Desk, issue: Issue) -> None:
    now = desk.clock()
    root = authority.make_root(authority.rsa_key(), now)
    card = issue(UID, authority.ec_key(), issuer=authority.make_issuing(root, authority.rsa_key(), now))
    assert desk.refusal(desk.answer(card)) == "certificate-not-trusted"


def test_a_refusal_leaves_nothing_behind_in_the_thread(desk: Desk, issue: Issue) -> None:
    """OpenSSL keeps errors by thread, and the next TLS read of the thread would take them for its own."""

    def errors() -> object:
        """pyOpenSSL tells, and forgets, all that is in the queue."""
        with pytest.raises(crypto.Error) as caught:
            crypto.load_certificate(crypto.FILETYPE_ASN1, b"")
        return caught.value.args

    ours = authority.Issuer.load(desk.data / ISSUING, desk.data / ISSUING_KEY)
    forged = issue(UID, authority.ec_key(), issuer=replace(ours, key=authority.rsa_key()))
    usual = errors()
    assert desk.refusal(desk.answer(forged)) == "certificate-not-trusted"
    assert errors() == usual
    assert desk.broker.validate(desk.answer()).ticket
    assert errors() == usual


def test_a_card_cannot_issue_cards(desk: Desk, issue: Issue) -> None:
    key = authority.rsa_key()
    issuer = authority.Issuer(issue(UID, key).certificate, key)
    forged = issue("555000000001", authority.ec_key(), issuer=issuer)
    assert desk.refusal(desk.answer(forged)) == "certificate-not-trusted"


def test_a_certificate_without_key_usage_does_not_sign_in(desk: Desk, issue: Issue) -> None:
    card = issue(UID, authority.ec_key(), extensions=[])
    assert desk.refusal(desk.answer(card)) == "certificate-wrong-usage"


def test_a_certificate_for_client_authentication_signs_in(desk: Desk, issue: Issue) -> None:
    client_auth = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])
    extensions = [*Slot.AUTHENTICATION.extensions, (client_auth, False)]
    card = issue(UID, authority.ec_key(), extensions=extensions)
    assert desk.broker.validate(desk.answer(card)).ticket


def test_somebody_elses_uid_is_refused(desk: Desk) -> None:
    answer = desk.answer(desk.card("one-role"))
    assert desk.refusal({**answer, "uid": "555000000001"}) == "uid-not-the-certificates"


@pytest.mark.parametrize(
    "uid",
    [
        pytest.param("\uff15\uff15\uff15000000002", id="fullwidth-digits"),
        pytest.param("555000000002\u200b", id="zero-width-space"),
        pytest.param("555000000002\x00", id="null"),
        pytest.param("CN=555000000002", id="a-name"),
    ],
)
def test_a_uid_is_compared_letter_by_letter(desk: Desk, uid: str) -> None:
    assert desk.refusal({**desk.answer(), "uid": uid}) == "uid-not-the-certificates"


def test_a_certificate_with_two_names_is_refused(desk: Desk, issue: Issue) -> None:
    names = [*authority.name("people", UID)]
    names.append(x509.NameAttribute(x509.NameOID.COMMON_NAME, "555000000001"))
    card = issue(UID, authority.ec_key(), subject=x509.Name(names))
    assert desk.refusal(desk.answer(card)) == "uid-not-the-certificates"


def test_a_person_that_nobody_knows_is_refused(desk: Desk, issue: Issue) -> None:
    card = issue("555999999999", authority.ec_key())
    assert desk.refusal(desk.answer(card)) == "person-unknown"


def test_a_challenge_is_answered_once(desk: Desk) -> None:
    answer = desk.answer()
    assert desk.broker.validate(answer).ticket
    assert desk.refusal(answer) == "challenge-already-used"


def test_a_refused_answer_leaves_the_challenge_to_the_right_one(desk: Desk) -> None:
    challenge, echo = desk.challenge()
    intruder, owner = desk.card("revoked"), desk.card()
    assert desk.refusal(message(intruder.uid, sign_cms(intruder, challenge), echo))
    assert desk.broker.validate(message(owner.uid, sign_cms(owner, challenge), echo)).ticket


@pytest.mark.parametrize("name", ["uid", "challenge", "signature", "response"])
def test_a_missing_parameter_is_invalid_input(desk: Desk, name: str) -> None:
    assert desk.refusal({**desk.answer(), name: ""}) == f"missing-{name}"


def test_another_service_is_invalid_input(desk: Desk) -> None:
    assert desk.refusal({**desk.answer(), "service": "ACTIVATION"}) == "wrong-service"
