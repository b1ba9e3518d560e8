"""How applications say who they are at the token endpoint, and what is not believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from jwcrypto import jwk
from jwcrypto.common import base64url_decode
from support.cis2 import (
    NOT_VALID,
    REDIRECT,
    Application,
    private_key,
    public_pem,
    refused,
    register,
    secret_key,
    sign,
    unsigned,
)
from support.spine import Spine, SpineFactory

from spine_stub.cis2.provider import Provider


@pytest.fixture(scope="module")
def key() -> jwk.JWK:
    return private_key()


@pytest.fixture(scope="module")
def other_key() -> jwk.JWK:
    return private_key()


@pytest.fixture
def application(spine: Spine, provider: Provider, key: jwk.JWK) -> Application:
    """An application that signs assertions with its key, which is registered."""
    register(provider, key=public_pem(key))
    return Application(spine.url, spine.ca_file, key=key, clock=spine.clock)


LONG = "a-secret-of-32-characters-or-more"


def test_a_key_says_who_it_is(application: Application, provider: Provider) -> None:
    assert application.token(application.code()).status_code == 200
    step = provider.journal.steps()[-1]
    assert step.sent["auth_method"] == "private_key_jwt"
    assert step.sent["assertion_header"]["alg"] == "RS256"
    assert step.sent["assertion_claims"]["aud"] == application.token_endpoint


@pytest.mark.parametrize("algorithm", ["RS256", "RS512"])
def test_the_algorithms_of_the_guidance_are_taken(application: Application, algorithm: str) -> None:
    signed = application.assertion(algorithm)
    assert application.token(application.code(), client_assertion=signed).status_code == 200


def test_a_secret_signs_too(spine: Spine, provider: Provider) -> None:
    register(provider, secret=LONG)
    application = Application(spine.url, spine.ca_file, key=secret_key(LONG), algorithm="HS256", clock=spine.clock)
    assert application.token(application.code()).status_code == 200
    assert provider.journal.steps()[-1].sent["auth_method"] == "client_secret_jwt"


def test_a_secret_that_is_too_short_to_sign_is_said(spine: Spine, provider: Provider) -> None:
    """RFC 7518, section 3.2; libraries refuse it each in their own way."""
    application = Application(spine.url, spine.ca_file, key=secret_key(LONG), algorithm="HS256", clock=spine.clock)
    assert "too short for HS256" in refused(application, application.assertion())[3]


def test_an_audience_may_be_one_of_several(application: Application) -> None:
    signed = application.assertion(aud=["https://example.org", application.token_endpoint])
    assert application.token(application.code(), client_assertion=signed).status_code == 200


def test_an_assertion_is_taken_once(application: Application) -> None:
    assertion = application.assertion()
    assert application.token(application.code(), client_assertion=assertion).status_code == 200
    *said, why = refused(application, assertion)
    assert (tuple(said), why) == (NOT_VALID, "its jti was used already")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "https://example.org"}, "aud is not the token endpoint"),
        ({"aud": None}, "aud is not the token endpoint"),
        ({"aud": {"x": 1}}, "aud is not the token endpoint"),
        ({"iss": "somebody"}, "iss and sub are not both the client's id"),
        ({"jti": None}, "jti is missing"),
        ({"jti": 5}, "jti is missing"),
        ({"exp": None}, "exp is not there as a number"),
        ({"exp": "soon"}, "exp is not there as a number"),
        ({"exp": True}, "exp is not there as a number"),
        ({"exp": 10**15}, "exp is not there as a number"),
        ({"exp": float("nan")}, "the assertion is not a signed JWT"),
        ({"exp": 10**30}, "the assertion is not a signed JWT"),
        ({"exp": -1}, "exp is not there as a number"),
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_is_said(application: Application, changed: dict[str, Any], why: str) -> None:
    *said, reason = refused(application, application.assertion(**changed))
    assert tuple(said) == NOT_VALID
    assert why in reason


@pytest.mark.parametrize(
    ("seconds", "name", "why"),
    [(-10, "exp", "past"), (310, "exp", "five minutes"), (60, "iat", "future"), (60, "nbf", "future")],
)
def test_an_assertion_has_its_time(application: Application, seconds: int, name: str, why: str) -> None:
    now = int(application.clock().timestamp())
    *said, reason = refused(application, application.assertion(**{name: now + seconds}))
    assert (tuple(said), why in reason) == (NOT_VALID, True)


def test_another_key_is_not_believed(application: Application, other_key: jwk.JWK) -> None:
    *said, why = refused(application, application.assertion(key=other_key))
    assert (tuple(said), why) == (NOT_VALID, "its signature is not by the client's key")


def test_none_is_no_signature(application: Application) -> None:
    now = int(application.clock().timestamp())
    claims = {"iss": application.id, "sub": application.id, "aud": application.token_endpoint, "exp": now + 60}
    for alg in ("none", "None", "NONE", ""):
        assert refused(application, unsigned({**claims, "jti": alg or "x"}, alg=alg))[:3] == NOT_VALID


def test_the_public_key_is_no_secret(application: Application, key: jwk.JWK) -> None:
    """RS256 becomes HS256 with the public key as its secret, where a program lets the token choose."""
    for public in (public_pem(key), key.export_public()):
        forged = application.assertion("HS256", key=secret_key(public))
        assert refused(application, forged)[:3] == NOT_VALID


def test_a_key_that_the_assertion_brings_along_is_not_used(application: Application, other_key: jwk.JWK) -> None:
    claims = json.loads(base64url_decode(application.assertion().split(".")[1]))
    brought = {"jwk": other_key.export_public(as_dict=True), "jku": "http://127.0.0.1:1/jwks"}
    assert refused(application, sign(claims, other_key, "RS256", **brought))[:3] == NOT_VALID


def test_a_secret_is_wanted_where_one_is_registered(spine: Spine, provider: Provider) -> None:
    application = Application(spine.url, spine.ca_file)
    for wrong in ({"client_secret": "x"}, {"client_secret": None}, {"client_secret": "\u00e9"}, {"client_id": "x"}):
        reply = application.token(application.code(), **wrong)
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
        assert reply.json()["error_description"] == "Client authentication failed"


def test_a_secret_in_the_authorization_header_is_refused_and_told(spine: Spine, provider: Provider) -> None:
    application = Application(spine.url, spine.ca_file)
    sent = {"grant_type": "authorization_code", "code": application.code(), "redirect_uri": REDIRECT}
    proof = (application.id, application.secret)
    reply = requests.post(application.token_endpoint, sent, auth=proof, verify=str(spine.ca_file), timeout=10)
    assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, 'Basic realm="CIS2"')
    step = provider.journal.steps(application.id)[-1]
    assert (step.endpoint, step.got["error"]) == ("access_token", "invalid_client")
    assert "Authorization header" in step.refused


def test_a_client_with_a_key_has_no_secret(application: Application) -> None:
    for secret in ("", "x", "example-secret"):
        reply = application.token(
            application.code(), client_id=application.id, client_secret=secret,
            client_assertion=None, client_assertion_type=None,
        )  # fmt: skip
        assert reply.status_code == 401


def test_two_proofs_are_one_too_many(application: Application) -> None:
    reply = application.token(application.code(), client_id=application.id, client_secret="x")
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")


def test_a_registered_method_is_the_only_one(spine: Spine, provider: Provider) -> None:
    register(provider, secret=LONG, auth_method="client_secret_jwt")
    application = Application(spine.url, spine.ca_file, secret=LONG, clock=spine.clock)
    assert application.token(application.code()).status_code == 401
    application.key, application.algorithm = secret_key(LONG), "HS256"
    assert application.token(application.code()).status_code == 200


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "e30.e30.", "e30.W10.", "\u00e9.\u00e9.\u00e9", "." * 500, "x" * 9000], ids=len
)
def test_an_assertion_that_is_none_is_refused(application: Application, token: str) -> None:
    reply = application.token(application.code(), client_assertion=token)
    assert reply.status_code in (400, 401)


def test_an_assertion_says_of_which_kind_it_is(application: Application) -> None:
    assert refused(application, application.assertion(), client_assertion_type="jwt")[:3] == NOT_VALID


def test_any_client_may_come_where_that_is_set(spine_factory: SpineFactory) -> None:
    spine = spine_factory(any_client=True)
    application = Application(spine.url, spine.ca_file, id="whoever", secret="whatever")
    assert application.token(application.code()).status_code == 200
    reply = application.authorize(redirect_uri="https://example.org/callback")
    assert (reply.status_code, "Location" in reply.headers) == (400, False)


def test_an_address_with_a_line_break_is_none(application: Application) -> None:
    """Python leaves line breaks out when it takes an address apart, and so it would be one that is registered."""
    reply = application.authorize(redirect_uri="http://127.0.0.1:50\n00/callback")
    assert (reply.status_code, reply.headers.get("Location")) == (400, None)
