"""Whatever comes in, CIS2 refuses it with an error of its own: never a 500, and nobody is led elsewhere.

python -m pytest tests/fuzz          a few thousand cases, as in every run
tox -e fuzz                          FUZZ_CIS2_CASES cases in all
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from hypothesis import strategies as st
from jwcrypto import jwk
from jwcrypto.common import JWException, base64url_encode
from support.cis2 import ASSERTION_TYPE, REDIRECT, private_key, public_pem, sign
from support.properties import many
from werkzeug.datastructures import MultiDict

from spine_stub import Config, create_app
from spine_stub.cis2 import REALM
from spine_stub.cis2.clients.assertions import Assertion, BadAssertion
from spine_stub.cis2.clients.keys import KeysError, read_key_set
from spine_stub.cis2.clients.registry import make
from spine_stub.cis2.pending import Pending
from spine_stub.cis2.provider import Provider
from spine_stub.cis2.tokens.codes import AuthorizationRequest
from spine_stub.errors import DataError
from spine_stub.stub import Stub

PROPERTIES = 9
CASES = int(os.environ.get("FUZZ_CIS2_CASES", "2700")) // PROPERTIES
"""How many cases each of the properties below gets."""
BASE = "https://127.0.0.1:8443"
AUDIENCE = f"{BASE}{REALM}/access_token"

cases = functools.partial(many, CASES)


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
    found.keys.sign({})  # the key is made now, and not while cases are counted
    found.clients.add(make({"id": "keyed", "key": public_pem(key), "redirect_uris": [REDIRECT]}, None))
    return found


any_text = st.text(st.characters(codec="utf-8"), max_size=40)
latin = st.text(st.characters(max_codepoint=255), max_size=60)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=10,
)


RIGHT = {
    "client_id": "example-application", "redirect_uri": REDIRECT, "response_type": "code", "scope": "openid profile",
    "login_hint": "555000000002", "state": "s", "nonce": "n", "code_challenge": "v" * 43,
}  # fmt: skip
WRONG = {
    "client_id": ["keyed", "x"],
    "redirect_uri": [
        "https://evil.example/",
        "http://127.0.0.1:1@evil.example/callback",
        "http://127.0.0.1/callback\n",
    ],
    "response_type": ["token", "code id_token"],
    "scope": ["openid selectedrole", "openid changedrole selectedrole", "profile"],
    "login_hint": ["555000000003", "656005750104"],
    "prompt": ["none", "login", "none login", "consent"],
    "max_age": ["300", "-1", "0", "9" * 30, "\u0661"],
    "acr_values": ["AAL3_ANY", "AAL2_OR_AAL3_ANY", "AAL1_USERPASS AAL3_FIDO2"],
    "code_challenge": ["x"],
    "code_challenge_method": ["S256", "plain"],
    "state": [],
}
extra = st.dictionaries(any_text, any_text, max_size=3)


def changes(wrong: dict[str, list[str]], most: int = 3) -> st.SearchStrategy[dict[str, str | None]]:
    """Some parameters, each with a wrong value, any text, or None where it is left out."""
    pairs = st.sampled_from(list(wrong)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from([None, *wrong[name]]) | any_text)
    )
    return st.lists(pairs, max_size=most).map(dict)


def present(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


@cases(changed=changes(WRONG), more=extra, posted=st.booleans(), doubled=st.sampled_from(["", "state", "redirect_uri"]))
def test_no_authorization_request_leads_elsewhere(
    app: Flask, provider: Provider, changed: dict[str, str | None], more: dict[str, str], posted: bool, doubled: str
) -> None:
    sent = MultiDict({**more, **present({**RIGHT, **changed})})
    if doubled:
        sent.add(doubled, "https://evil.example/")
    method, fields = ("POST", {"data": sent}) if posted else ("GET", {"query_string": sent})
    reply = app.test_client().open(f"{REALM}/authorize", method=method, base_url=BASE, **fields)
    assert reply.status_code in (302, 400)
    assert ("Location" in reply.headers) is (reply.status_code == 302)
    assert reply.headers.get("Location", BASE).startswith((f"{REDIRECT}?", BASE)), reply.headers


page_fields = st.fixed_dictionaries(
    {"key": st.just("key") | any_text},
    optional={
        "uid": st.sampled_from(["555000000001", "656005750104"]) | any_text,
        "mechanism": st.sampled_from(["N3_SMARTCARD", "USERPASS"]) | any_text,
        "role": st.sampled_from(["555100000101", "555100000103"]) | any_text,
        "ticket": any_text,
        "cancel": any_text,
    },
)


@cases(
    fields=page_fields,
    path=st.sampled_from(["sign-in", "role"]),
    search=any_text,
    site=st.sampled_from(["same-origin", "none"]),
)
def test_no_answer_of_a_page_makes_the_application_fail(
    app: Flask, provider: Provider, fields: dict[str, str], path: str, search: str, site: str
) -> None:
    provider.pending.put("key", Pending(AuthorizationRequest("s", "example-application", REDIRECT, RIGHT)))
    address = {"path": f"{REALM}/{path}", "base_url": BASE}
    client = app.test_client()
    assert client.get(query_string={"q": search, "key": fields["key"]}, **address).status_code in (200, 400)
    reply = client.post(data=fields, headers={"Sec-Fetch-Site": site}, **address)
    assert reply.status_code in (200, 302, 400, 403)
    assert reply.headers.get("Location", BASE).startswith((f"{REDIRECT}?", BASE)), reply.headers


@cases(query=st.binary(max_size=120).map(lambda raw: raw.decode("latin-1")), host=st.sampled_from(["localhost", "x y"]))
def test_no_raw_query_makes_the_application_fail(app: Flask, query: str, host: str) -> None:
    environ = {"QUERY_STRING": query, "HTTP_HOST": host, "HTTP_COOKIE": query.replace("\n", ""), "CONTENT_TYPE": query}
    for path in ("/authorize", "/userinfo", "/connect/endSession"):
        assert app.test_client().open(REALM + path, environ_overrides=environ).status_code < 500


PROOF = {"client_id": "example-application", "client_secret": "example-secret"}
WRONG_PROOF = {
    "grant_type": ["password", "refresh_token"],
    "code": ["x"],
    "redirect_uri": ["http://127.0.0.1:5001/callback", "http://localhost:5000/callback"],
    "client_id": ["keyed", "whoever"],
    "client_secret": ["example-secre"],
    "code_verifier": ["w" * 43],
    "client_assertion_type": [ASSERTION_TYPE],
    "client_assertion": ["e30.e30.e30"],
}


@cases(changed=changes(WRONG_PROOF), more=extra, authorization=latin)
def test_a_token_is_given_for_what_is_right_in_every_part(
    app: Flask, provider: Provider, changed: dict[str, str | None], more: dict[str, str], authorization: str
) -> None:
    client = app.test_client()
    location = client.get(f"{REALM}/authorize", query_string=RIGHT, base_url=BASE).headers["Location"]
    code = dict(parse_qsl(urlsplit(location).query))["code"]
    right = {
        **PROOF,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": "v" * 43,
    }
    sent = present({**right, **changed})
    reply = client.post(
        f"{REALM}/access_token",
        data={**{name: value for name, value in more.items() if name not in WRONG_PROOF}, **sent},
        environ_overrides={"HTTP_AUTHORIZATION": authorization},
        base_url=BASE,
    )
    if reply.status_code == 200:
        assert sent == {**sent, **right}
    else:
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
headers = st.dictionaries(st.sampled_from(["kid", "typ", "crit", "b64", "jwk", "x5c"]), json_values)


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
