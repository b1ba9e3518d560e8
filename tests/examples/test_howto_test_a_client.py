"""How to test a client of the broker: run with pytest -p spine_stub.pytest_plugin"""

from __future__ import annotations

import pytest
from examples.made_up_client import MadeUpClient, SignInFailed

from spine_stub import ANYTHING, SpineStub


@pytest.fixture
def client(spine_stub: SpineStub) -> MadeUpClient:
    return MadeUpClient(spine_stub.url, spine_stub.ca_file, timeout=1.0)


def test_it_signs_in(spine_stub: SpineStub, client: MadeUpClient) -> None:
    assert client.sign_in("555000000002", spine_stub.card("one-role"))
    spine_stub.assert_signed_in("555000000002")


def test_it_echoes_the_challenge_and_says_who_it_is(spine_stub: SpineStub, client: MadeUpClient) -> None:
    client.sign_in("555000000002", spine_stub.card("one-role"))
    sent = spine_stub.wait_for("authvalidate")
    sent.assert_sent(service="AUTHENTICATION", mobility="0", challenge=ANYTHING, device_id=None)
    sent.assert_header("User-Agent", "MadeUpClient/1.0")


def test_it_says_that_a_revoked_card_is_not_accepted(spine_stub: SpineStub, client: MadeUpClient) -> None:
    with pytest.raises(SignInFailed, match="did not accept the card"):
        client.sign_in("555000000007", spine_stub.card("revoked"))


@pytest.mark.parametrize("fault", ["http-500", "http-503", "drop", "hang", "tls-unknown-ca"])
def test_it_says_that_the_service_does_not_answer(spine_stub: SpineStub, client: MadeUpClient, fault: str) -> None:
    spine_stub.faults.once(fault)
    with pytest.raises(SignInFailed, match="does not answer"):
        client.sign_in("555000000002", spine_stub.card("one-role"))


def test_it_works_again_after_a_bad_moment(spine_stub: SpineStub, client: MadeUpClient) -> None:
    spine_stub.faults.once("http-503", endpoint="authvalidate")
    with pytest.raises(SignInFailed):
        client.sign_in("555000000002", spine_stub.card("one-role"))
    assert client.sign_in("555000000002", spine_stub.card("one-role"))


def test_it_signs_in_somebody_new(spine_stub: SpineStub, client: MadeUpClient) -> None:
    person = spine_stub.people.add_person("Zoë Test")
    assert client.sign_in(person.uid, spine_stub.people.issue_card(person.uid))
