"""Signing in by CIS2: discovery, code, tokens, userinfo, as an application sees them."""

from __future__ import annotations

import pytest
from support.cis2 import PERSON, ROLE, Application, returned
from support.spine import Spine, SpineFactory

from spine_stub.cis2 import REALM


@pytest.fixture
def spine(spine_factory: SpineFactory) -> Spine:
    return spine_factory()


@pytest.fixture
def application(spine: Spine) -> Application:
    return Application(spine.url, spine.ca_file)


def test_a_person_signs_in(application: Application) -> None:
    reply = application.token(application.code())
    assert reply.status_code == 200, reply.text
    token = reply.json()
    assert (token["token_type"], token["scope"].split()[0]) == ("Bearer", "openid")
    claims = application.claims(token["id_token"])
    assert claims["iss"] == application.url + REALM
    assert (claims["sub"], claims["aud"], claims["nonce"]) == (PERSON, application.id, "the-nonce")
    assert (claims["acr"], claims["amr"]) == ("AAL3_N3_SMARTCARD", ["N3_SMARTCARD"])
    assert claims["selected_roleid"] == ROLE
    who = application.userinfo(token["access_token"]).json()
    assert who["sub"] == PERSON
    assert [role["person_roleid"] for role in who["nhsid_nrbac_roles"]] == [ROLE]


def test_state_comes_back(application: Application) -> None:
    assert returned(application.authorize())["state"] == "the-state"
