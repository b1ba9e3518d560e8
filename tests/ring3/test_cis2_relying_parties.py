"""Relying parties by others, unchanged: Authlib's Flask client, mozilla-django-oidc, openid-client under Node."""

from __future__ import annotations

import pytest
from support.cis2_logout import provider_of
from support.machine import wait_until
from support.relying_party import PARTIES, StartParty
from support.spine import Spine, SpineFactory

from spine_stub.cis2 import REALM

UID, ROLE, ROLE_NAME = "555000000001", "555100000102", '"Clinical":"Clinical Provision":"Nurse & Midwife Access Role"'


@pytest.fixture
def spine(spine_factory: SpineFactory) -> Spine:
    return spine_factory()


@pytest.mark.parametrize("name", PARTIES)
def test_a_person_signs_in_with_a_role_and_is_signed_out_when_the_card_is_pulled(
    spine: Spine, start_party: StartParty, name: str
) -> None:
    party = start_party(spine, name)
    assert party.signed_in() == {}
    agent, ticket = spine.login("three-roles")
    reply = party.sign_in(ticket, ROLE)
    assert party.signed_in() == {"uid": UID, "role": ROLE_NAME}, reply.text
    agent.get("/login/authlogout", token=ticket)
    wait_until(lambda: not party.signed_in(), what="a page that is signed out")
    logouts = wait_until(lambda: provider_of(spine).outbox.logouts(name), what="the application's answer")
    assert [(logout.status, logout.reason) for logout in logouts] == [(200, "card_out")]
    assert not spine.cis2.report(name).failures


@pytest.mark.parametrize("name", PARTIES)
def test_its_library_refuses_tokens_that_are_not_ours(spine: Spine, start_party: StartParty, name: str) -> None:
    party = start_party(spine, name)
    _, ticket = spine.login("three-roles")
    for fault in ("wrong-nonce", "wrong-signature"):
        spine.faults.once(fault, endpoint="access_token")
        reply = party.sign_in(ticket, ROLE)
        assert party.signed_in() == {}, f"{fault}: {reply.text}"
    party.sign_in(ticket, ROLE)
    spine.faults.once("logout-wrong-signature", endpoint="backchannel-logout")
    spine.cis2.card_out(UID)
    logouts = wait_until(lambda: provider_of(spine).outbox.logouts(name), what="the application's answer")
    assert logouts[0].status == 400
    assert party.signed_in() == {"uid": UID, "role": ROLE_NAME}


# The real one's issuer has its port in it, and is found without. openid-client wants to find what it was told.
@pytest.mark.parametrize(
    ("name", "code"),
    [("authlib_flask", ""), ("django_oidc", ""), ("openid_client", "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED")],
)
def test_an_issuer_with_its_port_is_taken_or_refused_by_its_text(
    spine_factory: SpineFactory, start_party: StartParty, name: str, code: str
) -> None:
    spine = spine_factory(cis2_issuer=f"https://am.example:443{REALM}")
    party = start_party(spine, name)
    _, ticket = spine.login("three-roles")
    reply = party.sign_in(ticket, ROLE)
    assert reply.json().get("code", "") == code
    assert party.signed_in() == ({} if code else {"uid": UID, "role": ROLE_NAME})
