"""CIS2 in the Python kit: `SpineStub().cis2`, and the fixture's story of a test that fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.cis2 import PERSON, Application
from support.cis2_logout import LogoutAddress

from spine_stub import SpineStub
from spine_stub.cis2 import REALM
from spine_stub.errors import DataError

pytest_plugins = ["pytester"]


def test_an_application_is_made_and_somebody_signs_in_to_it(spine_stub: SpineStub) -> None:
    cis2 = spine_stub.cis2
    client = cis2.client("mine", levels="number")
    cis2.sign_in(PERSON, client=client.id)
    application = Application(spine_stub.url, spine_stub.ca_file, id=client.id, secret=client.secret)
    token = application.token(application.code(login_hint=None)).json()["id_token"]
    assert application.claims(token)["iss"] == cis2.issuer == spine_stub.url + REALM
    assert cis2.discovery_url == f"{cis2.issuer}/.well-known/openid-configuration"
    assert [(session.uid, list(session.clients)) for session in cis2.sessions()] == [(PERSON, ["mine"])]
    assert [step.endpoint for step in cis2.steps("mine")] == ["authorize", "code", "access_token"]


def test_a_pulled_card_a_late_hour_and_a_reset_end_what_there_is(spine_stub: SpineStub) -> None:
    cis2 = spine_stub.cis2
    application = Application(spine_stub.url, spine_stub.ca_file)
    application.authorize()
    assert (cis2.card_out("555000000001"), cis2.card_out(PERSON), cis2.card_out()) == (0, 1, 0)
    application.authorize()
    cis2.clock.forward(timedelta(hours=11))
    assert not cis2.sessions()
    application.authorize()
    cis2.reset()
    assert (cis2.sessions(), cis2.steps(), cis2.story()) == ([], [], "")


def test_a_wish_that_cannot_be_met_is_said(spine_stub: SpineStub) -> None:
    with pytest.raises(DataError, match="nobody who may sign in"):
        spine_stub.cis2.sign_in("999")
    with pytest.raises(DataError, match="colour: there is no such field"):
        spine_stub.cis2.client("mine", colour="red")


def test_the_story_of_a_failed_test_says_what_the_application_asked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import requests

        def test_my_application(spine_stub):
            address = spine_stub.cis2.issuer + "/authorize?client_id=unknown-one"
            reply = requests.get(address, verify=str(spine_stub.ca_file))
            assert reply.ok
        """
    )
    told = pytester.runpytest_inprocess("-p", "spine_stub.pytest_plugin", "-p", "no:cacheprovider").stdout.str()
    assert "CIS2 was asked:" in told
    assert "authorize unknown-one refused: client_id is not one that is registered" in told


def test_what_an_application_does_wrong_is_reported(spine_stub: SpineStub) -> None:
    spine_stub.cis2.client("mine")
    assert spine_stub.cis2.report("mine").failures == []
    with pytest.raises(DataError, match="there is no client"):
        spine_stub.cis2.report("nobody")


def test_what_an_application_answered_to_its_logout_token_is_told(
    spine_stub: SpineStub, logout_address: LogoutAddress
) -> None:
    client = spine_stub.cis2.client("mine", backchannel_logout_uri=logout_address.url)
    application = Application(spine_stub.url, spine_stub.ca_file, id=client.id, secret=client.secret)
    application.token(application.code())
    spine_stub.cis2.card_out()
    (logout,) = spine_stub.cis2.logouts("mine")
    assert (logout.reason, logout.uid, logout.status) == ("card_out", PERSON, 200)
    assert "logout mine 200" in spine_stub.cis2.story()
