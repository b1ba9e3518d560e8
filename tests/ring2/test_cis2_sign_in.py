"""Signing in by CIS2: discovery, code, tokens, userinfo, as an application sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from support.cis2 import PERSON, ROLE, SCOPES, Application, register, returned
from support.spine import Spine, SpineFactory

from spine_stub.cis2 import REALM
from spine_stub.cis2.pending import Arranged
from spine_stub.cis2.provider import Provider
from spine_stub.cis2.tokens.id_token import half_hash
from spine_stub.stub import Stub

SEEN = (
    "at_hash sub auditTrackingId amr iss tokenName aud c_hash acr id_assurance_level authentication_assurance_level "
    "org.forgerock.openidconnect.ops s_hash azp auth_time realm exp tokenType iat sid selected_roleid nonce"
)
"""The claims that ID tokens of the real one have."""
SECRET = "example-secret"
LIVE = "https://am.nhsidentity.spineservices.nhs.uk:443/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare"


@pytest.fixture
def application(spine: Spine) -> Application:
    return Application(spine.url, spine.ca_file, clock=spine.clock)


def test_the_id_token_has_the_claims_that_were_seen(application: Application) -> None:
    code = application.code()
    token = application.token(code).json()
    claims = application.claims(token["id_token"])
    assert set(claims) == set(SEEN.split())
    assert claims["iss"] == application.url + REALM
    assert (claims["sub"], claims["aud"], claims["azp"]) == (PERSON, application.id, application.id)
    assert (claims["nonce"], claims["amr"], claims["selected_roleid"]) == ("the-nonce", ["N3_SMARTCARD"], ROLE)
    assert (claims["id_assurance_level"], claims["authentication_assurance_level"]) == ("3", "3")
    assert (claims["tokenName"], claims["tokenType"], claims["realm"]) == (
        "id_token", "JWTToken", "/NHSIdentity/Healthcare",
    )  # fmt: skip
    hashed = {"at_hash": token["access_token"], "c_hash": code, "s_hash": "the-state"}
    assert {name: claims[name] for name in hashed} == {name: half_hash(text, "RS256") for name, text in hashed.items()}
    now = int(application.clock().timestamp())
    assert (claims["iat"], claims["auth_time"], claims["exp"]) == (now, now, now + 3600)


def test_the_reply_of_the_token_endpoint_is_of_its_form(application: Application) -> None:
    reply = application.token(application.code())
    token = reply.json()
    assert set(token) == {"access_token", "scope", "id_token", "token_type", "expires_in"}
    assert (token["scope"], token["token_type"], token["expires_in"]) == (SCOPES, "Bearer", 3599)
    assert (reply.headers["Cache-Control"], reply.headers["Pragma"]) == ("no-store", "no-cache")


def test_userinfo_says_who_it_is(application: Application) -> None:
    token = application.token(application.code()).json()
    who = application.userinfo(token["access_token"]).json()
    assert (who["sub"], who["nhsid_useruid"]) == (PERSON, PERSON)
    assert [role["person_roleid"] for role in who["nhsid_nrbac_roles"]] == [ROLE]


def test_without_nonce_state_and_role_their_claims_are_not_there(application: Application) -> None:
    code = application.code(nonce=None, state=None, scope="openid")
    claims = application.claims(application.token(code).json()["id_token"])
    assert set(SEEN.split()) - set(claims) == {"nonce", "s_hash", "selected_roleid"}


def test_state_comes_back_as_it_was(application: Application) -> None:
    state = "a b&c=d#e%20\u00e9\u4e2d"
    assert returned(application.authorize(state=state))["state"] == state


def test_a_redirect_keeps_its_own_query(application: Application, provider: Provider) -> None:
    register(provider, secret=SECRET, redirect_uris=["http://localhost/callback?tenant=a%26b"])
    reply = application.authorize(redirect_uri="http://localhost:1/callback?tenant=a%26b")
    assert reply.headers["Location"].startswith("http://localhost:1/callback?tenant=a%26b&code=")


def test_discovery_leads_to_every_endpoint(application: Application) -> None:
    found = application.get("/.well-known/openid-configuration").json()
    at = application.url + REALM
    assert (found["issuer"], found["authorization_endpoint"]) == (at, f"{at}/authorize")
    assert (found["token_endpoint"], found["userinfo_endpoint"]) == (f"{at}/access_token", f"{at}/userinfo")
    assert (found["jwks_uri"], found["end_session_endpoint"]) == (f"{at}/connect/jwk_uri", f"{at}/connect/endSession")
    assert found["token_endpoint_auth_methods_supported"] == [
        "client_secret_post", "client_secret_jwt", "private_key_jwt",
    ]  # fmt: skip


def test_kids_look_as_the_real_ones(application: Application) -> None:
    keys = application.get("/connect/jwk_uri").json()["keys"]
    assert all("/" in key["kid"] and "+" in key["kid"] and len(key["kid"]) == 28 for key in keys)
    assert len({key["kid"] for key in keys}) == len(keys)
    assert not [key for key in keys if "d" in key]


def test_the_issuer_is_the_text_that_was_asked_for(spine_factory: SpineFactory) -> None:
    spine = spine_factory(cis2_issuer=LIVE)
    application = Application(spine.url, spine.ca_file, clock=spine.clock)
    found = application.get("/.well-known/openid-configuration").json()
    assert found["issuer"] == LIVE
    assert found["token_endpoint"].startswith(spine.url)
    assert application.claims(application.token(application.code()).json()["id_token"])["iss"] == LIVE


def test_the_key_is_the_same_after_a_restart(spine_factory: SpineFactory) -> None:
    kids = []
    for _ in range(2):
        spine = spine_factory()
        kids.append(Application(spine.url, spine.ca_file).get("/connect/jwk_uri").json()["keys"][0]["kid"])
        spine.stop()
    assert kids[0] == kids[1]


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256"])
def test_tokens_are_signed_as_registered(application: Application, provider: Provider, algorithm: str) -> None:
    register(provider, secret=SECRET, id_token_alg=algorithm, userinfo="signed")
    code = application.code()
    token = application.token(code).json()
    claims = application.claims(token["id_token"])
    assert claims["c_hash"] == half_hash(code, algorithm)
    reply = application.userinfo(token["access_token"])
    assert reply.headers["Content-Type"].startswith("application/jwt")
    said = application.claims(reply.text)
    assert (said["iss"], said["sub"], "aud" in said) == (claims["iss"], PERSON, False)


def test_levels_are_numbers_where_registered_so(application: Application, provider: Provider) -> None:
    register(provider, secret=SECRET, levels="number")
    token = application.token(application.code()).json()
    claims = application.claims(token["id_token"])
    assert (claims["id_assurance_level"], claims["authentication_assurance_level"]) == (3, 3)
    assert application.userinfo(token["access_token"]).json()["idassurancelevel"] == 3


def test_a_list_of_one_is_the_one_where_registered_so(application: Application, provider: Provider) -> None:
    register(provider, secret=SECRET, single_as_object=True)
    token = application.token(application.code()).json()
    assert application.userinfo(token["access_token"]).json()["nhsid_nrbac_roles"]["person_roleid"] == ROLE


def test_a_rotated_key_signs_and_the_old_one_is_still_published(application: Application, provider: Provider) -> None:
    before = application.token(application.code()).json()["id_token"]
    provider.keys.rotate()
    after = application.token(application.code()).json()["id_token"]
    assert application.claims(before)["sub"] == application.claims(after)["sub"]
    provider.keys.rotate(keep=False)
    with pytest.raises(StopIteration):
        application.claims(after)


def test_an_arranged_sign_in_asks_nobody(application: Application, provider: Provider) -> None:
    provider.arranged.add(Arranged("555000000001", role_id="555100000103", mechanism="TOTP", aal=2))
    code = application.code(login_hint=None)
    claims = application.claims(application.token(code).json()["id_token"])
    assert (claims["sub"], claims["selected_roleid"]) == ("555000000001", "555100000103")
    assert (claims["amr"], claims["authentication_assurance_level"]) == (["TOTP"], "2")
    assert not provider.arranged.all()


def test_the_broker_serves_both_with_a_prefix(spine_factory: SpineFactory) -> None:
    spine = spine_factory(path_prefix="/Prod")
    application = Application(spine.url, spine.ca_file, clock=spine.clock)
    assert spine.url.endswith("/Prod")
    assert application.get("/.well-known/openid-configuration").json()["issuer"] == f"{spine.url}{REALM}"
    assert application.token(application.code()).status_code == 200


def test_nothing_secret_is_kept(application: Application, spine: Spine, provider: Provider) -> None:
    code = application.code()
    token = application.token(code).json()
    application.userinfo(token["access_token"])
    kept = [repr(sent.exchange) + str(sent.exchange.reply) for sent in spine.requests()]
    everything = "\n".join([*kept, *spine.log, json.dumps([repr(step) for step in provider.journal.steps()])])
    secrets = (code, token["access_token"], token["id_token"], application.secret)
    assert not [secret for secret in secrets if secret in everything]


def test_each_step_is_noted(application: Application, provider: Provider) -> None:
    token = application.token(application.code()).json()
    application.userinfo(token["access_token"])
    steps = provider.journal.steps()
    assert [step.endpoint for step in steps] == ["authorize", "code", "access_token", "userinfo"]
    assert len({step.sign_in for step in steps}) == 1
    assert {step.client_id for step in steps} == {application.id}
    assert steps[0].sent["nonce"] == "the-nonce"
    assert steps[2].sent["auth_method"] == "client_secret_post"
    assert steps[2].got["id_token_claims"]["sub"] == steps[3].got["claims"]["sub"] == PERSON


def test_an_unknown_access_token_is_refused(application: Application) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
        reply = application.get("/userinfo", headers=headers)
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_token")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_session_that_is_ended_ends_its_tokens(application: Application, provider: Provider) -> None:
    token = application.token(application.code()).json()
    unused = application.code()
    for session in provider.sessions.all():
        provider.sessions.end(session.sid, "control")
    assert application.userinfo(token["access_token"]).status_code == 401
    assert application.token(unused).json()["error"] == "invalid_grant"


def test_a_reset_is_as_a_fresh_start(application: Application, provider: Provider) -> None:
    first = application.get("/connect/jwk_uri").json()
    provider.keys.rotate()
    token = application.token(application.code()).json()
    provider.reset()
    assert provider.journal.steps() == []
    assert provider.sessions.all() == []
    assert application.userinfo(token["access_token"]).status_code == 401
    assert application.get("/connect/jwk_uri").json() == first


def test_a_missing_library_leaves_the_broker_as_it_was(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "authlib", None)
    with Spine(data, []) as spine:
        assert Stub.of(spine.app).cis2 is None
        assert spine.client().get("/healthz").status_code == 200
        reply = requests.get(f"{spine.url}{REALM}/authorize", verify=str(spine.ca_file), timeout=10)
        assert reply.status_code == 404


def test_a_key_that_is_damaged_is_said(spine: Spine, application: Application) -> None:
    (spine.data / "ca" / "cis2.key.pem").write_text("no key")
    for reply in (application.get("/connect/jwk_uri"), application.token(application.code())):
        assert (reply.status_code, reply.headers["X-Spine-Stub-Reason"]) == (503, "cis2-key-unavailable")
