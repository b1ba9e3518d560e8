"""Why a card is revoked is in the list and in the refusal; and the CA itself can be revoked."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from support.spine import Desk

from spine_stub.errors import BrokerError, DataError
from spine_stub.explain.explanation import explain_exchange
from spine_stub.explain.record import Exchange
from spine_stub.folder import REVOCATION_LIST, ROOT_REVOCATION_LIST
from spine_stub.login.checks import Checks
from spine_stub.pki.revocation import REASONS


@pytest.fixture
def own_desk(data: Path) -> Desk:
    """A broker whose DIR the test may change."""
    return Desk.open(data)


def refusal(desk: Desk) -> str:
    with pytest.raises(BrokerError) as caught:
        desk.broker.validate(desk.answer())
    return str(caught.value)


def test_the_reasons_are_those_of_rfc_5280() -> None:
    assert sorted(REASONS) == [
        "aa-compromise", "affiliation-changed", "ca-compromise", "certificate-hold", "cessation-of-operation",
        "key-compromise", "privilege-withdrawn", "superseded",
    ]  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_is_in_the_list_and_in_the_refusal(own_desk: Desk, reason: str) -> None:
    own_desk.registration.revoke_card("one-role", reason)
    revocations = x509.load_pem_x509_crl((own_desk.data / REVOCATION_LIST).read_bytes())
    entry = revocations.get_revoked_certificate_by_serial_number(own_desk.card().certificate.serial_number)
    assert entry
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == REASONS[reason]
    assert refusal(own_desk).startswith(f"certificate-revoked: certificate revoked ({reason}): 'CN=555000000002")


def test_without_a_reason_none_is_listed(own_desk: Desk) -> None:
    own_desk.registration.revoke_person("555000000002")
    revocations = x509.load_pem_x509_crl((own_desk.data / REVOCATION_LIST).read_bytes())
    entry = revocations.get_revoked_certificate_by_serial_number(own_desk.card().certificate.serial_number)
    assert entry
    assert len(entry.extensions) == 0
    assert refusal(own_desk).startswith("certificate-revoked: certificate revoked: 'CN=")


def test_a_later_revocation_leaves_earlier_reasons(own_desk: Desk) -> None:
    own_desk.registration.revoke_card("one-role", "superseded")
    own_desk.registration.revoke_card("three-roles", "key-compromise")
    assert "(superseded)" in refusal(own_desk)


def test_the_explanation_says_the_reason(own_desk: Desk) -> None:
    own_desk.registration.revoke_card("one-role", "cessation-of-operation")
    checks, answer = Checks(), own_desk.answer()
    with pytest.raises(BrokerError):
        own_desk.broker.validate(answer, checks)
    asked = Exchange(
        2, own_desk.clock(), "authvalidate", "POST", "/login/authvalidate", "127.0.0.1", message=answer,
        reason="certificate-revoked", checks=tuple(checks.results),
    )  # fmt: skip
    problems = explain_exchange(own_desk.broker, asked, None).problems
    assert any("(cessation-of-operation)" in line for line in problems)


@pytest.mark.parametrize("reason", ["unspecified", "remove-from-crl", "keyCompromise", "lost"])
def test_what_is_no_reason_is_said_and_nothing_is_revoked(own_desk: Desk, reason: str) -> None:
    registration = own_desk.registration
    for revoke in (
        lambda: registration.revoke_card("one-role", reason),
        lambda: registration.revoke_person("555000000002", reason),
        lambda: registration.revoke_authority(reason),
    ):
        with pytest.raises(DataError, match="is no reason to revoke; there are: key-compromise"):
            revoke()
    assert own_desk.broker.validate(own_desk.answer()).ticket


def test_a_revoked_ca_makes_no_card_a_trusted_one_until_that_is_taken_back(own_desk: Desk) -> None:
    registration = own_desk.registration
    assert not registration.is_authority_revoked
    registration.revoke_authority("ca-compromise")
    assert registration.is_authority_revoked
    assert refusal(own_desk).startswith(
        "authority-revoked: certificate revoked (ca-compromise): 'CN=Lanyard Test SubCA01"
    )
    registration.restore_authority()
    assert own_desk.broker.validate(own_desk.answer()).ticket


def test_a_folder_from_before_there_was_a_root_list_serves(data: Path) -> None:
    (data / ROOT_REVOCATION_LIST).unlink()
    desk = Desk.open(data)
    assert desk.broker.validate(desk.answer()).ticket
    desk.registration.revoke_authority()
    assert refusal(desk).startswith("authority-revoked")


def test_a_root_list_that_cannot_be_read_leaves_the_old_one(own_desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    own_desk.registration.revoke_authority()
    assert refusal(own_desk).startswith("authority-revoked")
    (own_desk.data / ROOT_REVOCATION_LIST).write_text("nothing")
    assert refusal(own_desk).startswith("authority-revoked")
    assert "the lists read before still hold" in caplog.text
    assert not own_desk.registration.is_authority_revoked
