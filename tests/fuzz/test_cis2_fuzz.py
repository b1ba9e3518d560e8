"""Whatever comes in, CIS2 refuses it with an error of its own: never a 500, and nobody is led elsewhere.

python -m pytest tests/fuzz          a few thousand cases, as in every run
tox -e fuzz                          FUZZ_CIS2_CASES cases in all
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwcrypto import jwk
from jwcrypto.common import JWException, base64url_encode
from support.cis2 import ASSERTION_TYPE, REDIRECT, private_key, public_pem, sign

from spine_stub import Config, create_app
from spine_stub.cis2 import REALM
from spine_stub.cis2.clients.assertions import Assertion, BadAssertion
from spine_stub.cis2.clients.keys import KeysError, read_key_set
from spine_stub.cis2.clients.registry import make
from spine_stub.cis2.provider import Provider
from spine_stub.errors import DataError
from spine_stub.stub import Stub

PROPERTIES = 8
CASES = int(os.environ.get("FUZZ_CIS2_CASES", "2400")) // PROPERTIES
"""How many cases each of the properties below gets."""
BASE = "https://127.0.0.1:8443"
AUDIENCE = f"{BASE}{REALM}/access_token"

Test = Callable[..., None]


def cases(**strategies: Any) -> Callable[[Test], Test]:
    """@given with the number of cases that was asked for."""

    def decorate(test: Test) -> Test:
        checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
        return settings(max_examples=CASES, deadline=None, suppress_health_check=checks)(given(**strategies)(test))

    return decorate


@pytest.fixture(scope="module")
def app(demo_data: Path) -> Iterator[Flask]:
    """The whole application, without a web server in front of it."""
    application = create_app(Config(demo_data, store="memory"))
    yield application
    Stub.of(application).broker.release()


@pytest.fixture(scope="module")
def key() -> jwk.JWK:
    return private_key()


@pytest.fixture(scope="module")
def provider(app: Flask, key: jwk.JWK) -> Provider:
    """With one client that has a secret and one that has a key."""
    found = Stub.of(app).cis2
    assert found
    found.clients.add(make({"id": "keyed", "key": public_pem(key), "redirect_uris": [REDIRECT]}, None))
    return found


any_text = st.text(st.characters(codec="utf-8"), max_size=40)
latin = st.text(st.characters(max_codepoint=255), max_size=60)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=10,
)


def sometimes(*right: str | None) -> st.SearchStrategy[str | None]:
    """A value that is right more often than not, or left out, or any text."""
    return st.sampled_from([*right, *right, None]) | any_text


authorization = st.fixed_dictionaries(
    {
        "client_id": sometimes("example-application"),
        "redirect_uri": sometimes(REDIRECT, "https://evil.example/", "http://127.0.0.1:1@evil.example/callback"),
        "response_type": sometimes("code"),
        "scope": sometimes("openid", "openid profile nhsperson selectedrole", "openid changedrole", "profile"),
        "state": any_text,
        "nonce": any_text,
        "login_hint": sometimes("555000000002"),
        "prompt": sometimes("none", "login", "none login", "consent"),
        "max_age": sometimes("300", "-1", "0", "9" * 30, "\u0661"),
        "acr_values": sometimes("AAL3_ANY", "AAL2_OR_AAL3_ANY", "AAL1_USERPASS AAL3_FIDO2"),
        "code_challenge": sometimes("v" * 43),
        "code_challenge_method": sometimes("S256", "plain"),
    }
)
extra = st.dictionaries(any_text, any_text, max_size=3)


def present(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


@cases(fields=authorization, more=extra, posted=st.booleans(), doubled=st.sampled_from(["", "state", "redirect_uri"]))
def test_no_authorization_request_leads_elsewhere(
    app: Flask, fields: dict[str, str | None], more: dict[str, str], posted: bool, doubled: str
) -> None:
    sent = [*{**more, **present(fields)}.items(), *([(doubled, "https://evil.example/")] if doubled else [])]
    client = app.test_client()
    if posted:
        form: dict[str, list[str]] = {}
        for name, value in sent:
            form.setdefault(name, []).append(value)
        reply = client.post(f"{REALM}/authorize", data=form, base_url=BASE)
    else:
        reply = client.get(f"{REALM}/authorize", query_string=sent, base_url=BASE)
    assert reply.status_code < 500
    assert reply.headers.get("Location", REDIRECT).startswith((REDIRECT, "/", BASE)), reply.headers


@cases(query=st.binary(max_size=120).map(lambda raw: raw.decode("latin-1")), host=st.sampled_from(["localhost", "x y"]))
def test_no_raw_query_makes_the_application_fail(app: Flask, query: str, host: str) -> None:
    environ = {"QUERY_STRING": query, "HTTP_HOST": host, "HTTP_COOKIE": query.replace("\n", ""), "CONTENT_TYPE": query}
    for path in ("/authorize", "/userinfo", "/connect/endSession"):
        assert app.test_client().open(REALM + path, environ_overrides=environ).status_code < 500


token_fields = st.fixed_dictionaries(
    {
        "grant_type": sometimes("authorization_code"),
        "code": sometimes("x"),
        "redirect_uri": sometimes(REDIRECT),
        "client_id": sometimes("example-application", "keyed"),
        "client_secret": sometimes("example-secret"),
        "code_verifier": sometimes("v" * 43),
        "client_assertion_type": sometimes(ASSERTION_TYPE),
        "client_assertion": sometimes("e30.e30.e30"),
    }
)


@cases(fields=token_fields, more=extra, authorization=latin)
def test_no_token_request_gets_a_token_for_nothing(
    app: Flask, fields: dict[str, str | None], more: dict[str, str], authorization: str
) -> None:
    sent = {**more, **present(fields)}
    reply = app.test_client().post(
        f"{REALM}/access_token", data=sent, environ_overrides={"HTTP_AUTHORIZATION": authorization}, base_url=BASE
    )
    assert reply.status_code in (400, 401)
    assert set(reply.json or {}) == {"error", "error_description"}


@cases(header=latin, form=st.dictionaries(any_text, any_text, max_size=2))
def test_no_access_token_is_guessed(app: Flask, header: str, form: dict[str, str]) -> None:
    for authorization in (header, f"Bearer {header}"):
        reply = app.test_client().post(
            f"{REALM}/userinfo", data=form, environ_overrides={"HTTP_AUTHORIZATION": authorization}
        )
        assert reply.status_code == 401


claims = st.fixed_dictionaries(
    {},
    optional={
        "iss": st.just("keyed") | json_values,
        "sub": st.just("keyed") | json_values,
        "aud": st.just(AUDIENCE) | json_values,
        "exp": st.integers(-(10**12), 10**12) | json_values,
        "iat": json_values,
        "nbf": json_values,
        "jti": any_text | json_values,
    },
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "kid": json_values,
        "typ": json_values,
        "crit": json_values,
        "b64": json_values,
        "jwk": json_values,
        "x5c": json_values,
    },
)


@cases(said=claims, header=headers, algorithm=st.sampled_from(["RS256", "RS512", "HS256", "PS256", "none"]))
def test_no_assertion_makes_the_application_fail(
    app: Flask, provider: Provider, key: jwk.JWK, said: dict[str, Any], header: dict[str, Any], algorithm: str
) -> None:
    parts = [base64url_encode(json.dumps(part)) for part in ({**header, "alg": algorithm}, said)]
    tokens = [".".join([*parts, base64url_encode(b"x" * 256)])]
    if algorithm == "RS256":
        with contextlib.suppress(JWException, ValueError, TypeError):  # jwcrypto signs no header that it does not like
            tokens.append(sign(said, key, algorithm, **header))
    for token in tokens:
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": token, "grant_type": "authorization_code"}
        reply = app.test_client().post(f"{REALM}/access_token", data={**form, "code": "x"}, base_url=BASE)
        assert reply.status_code in (400, 401)
        assert set(reply.json or {}) == {"error", "error_description"}


@cases(token=st.text(st.sampled_from("eyJhbGciOi.e30-_= \n"), max_size=80) | any_text)
def test_any_text_is_an_assertion_or_refused(token: str) -> None:
    with contextlib.suppress(BadAssertion):
        Assertion.read(token)


key_fields = st.fixed_dictionaries(
    {},
    optional={
        "kid": st.just("a") | json_values,
        "kty": st.sampled_from(["RSA", "EC", "oct", "OKP"]) | json_values,
        "use": st.sampled_from(["sig", "enc"]) | json_values,
        "crv": st.sampled_from(["P-256", "P-521", "secp256k1", "Ed25519"]) | json_values,
        "n": st.binary(max_size=300).map(base64url_encode) | json_values,
        "e": st.sampled_from(["AQAB", "AQ", "AA", ""]) | json_values,
        "x": st.binary(max_size=66).map(base64url_encode) | json_values,
        "y": st.binary(max_size=66).map(base64url_encode) | json_values,
        "d": json_values,
    },
)
key_sets = st.builds(lambda keys: json.dumps({"keys": keys}).encode(), st.lists(key_fields, max_size=3))


@cases(document=key_sets | st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_document_is_a_key_set_or_refused(document: bytes) -> None:
    with contextlib.suppress(KeysError):
        read_key_set(document)


FIELDS = ["id", "name", "secret", "key", "jwks", "jwks_uri", "redirect_uris", "levels", "userinfo", "is_any"]


@cases(entry=st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_client_is_registered_or_refused(entry: dict[str, Any]) -> None:
    with contextlib.suppress(DataError):
        make(entry, None)
