"""Native programs learn who somebody is: codes that are bound and used once, clients that prove who they are."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from jwcrypto import jwk
from support.openid import NativeProgram, register
from support.spine import Spine, SpineFactory

from spine_stub.cis2.clients.registry import load
from spine_stub.errors import DataError

ROLE = "555100000201"


@pytest.fixture
def key(data: Path) -> jwk.JWK:
    """The key of the one client that DIR has."""
    return register(data)


@pytest.fixture
def spine(key: jwk.JWK, spine_factory: SpineFactory) -> Spine:
    return spine_factory()


@pytest.fixture
def program(spine: Spine, key: jwk.JWK) -> NativeProgram:
    return NativeProgram(spine.url, spine.ca_file, key)


@pytest.fixture
def ticket(spine: Spine) -> str:
    client, ticket = spine.login("one-role")
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid=ROLE)
    return ticket


def seconds(spine: Spine) -> float:
    return spine.clock().timestamp()


def code(program: NativeProgram, ticket: str, **changed: str) -> str:
    return str(program.authorize(ticket, **changed).json()["code"])


def half(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


def test_a_code_becomes_an_id_token(program: NativeProgram, spine: Spine, ticket: str) -> None:
    given = code(program, ticket)
    reply = program.token(given, seconds(spine))
    assert reply.status_code == 200
    claims = program.claims(reply.json()["id_token"])
    assert claims["sub"] == "uid=555000000002,ou=People,o=nhs"
    assert (claims["iss"], claims["aud"], claims["name"]) == (spine.url, "ward-board", "Bryn Hughes")
    assert claims["role"] == {
        "name": '"Clinical":"Clinical Provision":"Nurse Access Role"', "role_id": ROLE, "code": "S8000:G8000:R8001",
    }  # fmt: skip
    assert claims["org"] == {"name": "THE LANYARD SURGERY, HIGH STREET", "code": "LAN001"}
    assert claims["amr"] == ["pin", "legacy_signed_challenge"]
    assert (claims["nonce"], claims["device_id"]) == ("no", "dev")
    assert claims["s_hash"] == half("st")
    assert claims["c_hash"] == half(given)
    assert claims["at_hash"] == half(reply.json()["access_token"])
    assert claims["iat"] == int(seconds(spine)) < claims["exp"]


def test_a_code_is_used_once(program: NativeProgram, spine: Spine, ticket: str) -> None:
    given = code(program, ticket)
    assert program.token(given, seconds(spine)).status_code == 200
    again = program.token(given, seconds(spine))
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


def test_a_code_holds_for_30_seconds(program: NativeProgram, spine: Spine, ticket: str) -> None:
    given = code(program, ticket)
    spine.clock.advance(seconds=31)
    assert program.token(given, seconds(spine)).json() == {"error": "invalid_grant"}


def test_card_out_ends_a_code(program: NativeProgram, spine: Spine, ticket: str) -> None:
    given = code(program, ticket)
    spine.client().get("/login/authlogout", token=ticket)
    assert program.token(given, seconds(spine)).json() == {"error": "access_denied"}
    assert program.authorize(ticket).json() == {"error": "access_denied"}


@pytest.mark.parametrize(
    "changed", [{"code_verifier": "x" * 43}, {"redirect_uri": "wardboard://in"}, {"code": "another"}], ids=str
)
def test_a_code_is_bound_to_what_it_was_asked_with(
    program: NativeProgram, spine: Spine, ticket: str, changed: dict[str, str]
) -> None:
    given = code(program, ticket)
    assert program.token(**{"code": given, "now": seconds(spine), **changed}).json() == {"error": "invalid_grant"}
    assert program.token(given, seconds(spine)).status_code == (200 if "code" in changed else 400)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": "another"}, "invalid_client"),
        ({"redirect_uri": "http://127.0.0.1:5555/elsewhere"}, "invalid_request"),
        ({"redirect_uri": "http://localhost/callback"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1.evil.example/callback"}, "invalid_request"),
        ({"redirect_uri": "http://evil@127.0.0.1/callback?x"}, "invalid_request"),
        ({"redirect_uri": "wardboard://in/other"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"token": "rubbish"}, "access_denied"),
        ({"token": ""}, "invalid_request"),
    ],
    ids=str,
)
def test_what_is_not_registered_gets_no_code(
    program: NativeProgram, ticket: str, changed: dict[str, str], error: str
) -> None:
    reply = program.authorize(**{"ticket": ticket, **changed})
    assert (reply.status_code >= 400, reply.json()) == (True, {"error": error})


ASSERTIONS: list[dict[str, Any]] = [
    {"iss": "another"}, {"sub": "another"}, {"aud": "https://elsewhere"}, {"aud": None}, {"iat": None}, {"exp": None},
    {"jti": None}, {"jti": 5}, {"iat": "now"}, {"exp": True}, {"key": jwk.JWK.generate(kty="RSA", size=2048)},
    {"key": jwk.JWK.generate(kty="oct", size=256), "algorithm": "HS256"},
]  # fmt: skip


@pytest.mark.parametrize("changed", ASSERTIONS, ids=lambda changed: str(changed)[:40])
def test_a_client_that_cannot_prove_who_it_is_gets_nothing(
    program: NativeProgram, spine: Spine, ticket: str, changed: dict[str, Any]
) -> None:
    given = code(program, ticket)
    forged = program.assertion(seconds(spine), **changed)
    reply = program.token(given, seconds(spine), client_assertion=forged)
    assert (reply.status_code, reply.json()) == (401, {"error": "invalid_client"})
    assert program.token(given, seconds(spine)).status_code == 200  # the code is not used up by strangers


@pytest.mark.parametrize("changed", [{"iat": -41}, {"iat": 60}, {"exp": -6}, {"exp": 306}], ids=str)
def test_an_assertion_has_its_time(program: NativeProgram, spine: Spine, ticket: str, changed: dict[str, int]) -> None:
    now = seconds(spine)
    late = program.assertion(now, **{name: int(now) + offset for name, offset in changed.items()})
    assert program.token(code(program, ticket), now, client_assertion=late).status_code == 401


def test_an_assertion_is_used_once(program: NativeProgram, spine: Spine, ticket: str) -> None:
    assertion = program.assertion(seconds(spine))
    assert program.token(code(program, ticket), seconds(spine), client_assertion=assertion).status_code == 200
    assert program.token(code(program, ticket), seconds(spine), client_assertion=assertion).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.", "x" * 9000, "é.é.é"])
def test_an_assertion_that_is_none_is_refused(program: NativeProgram, spine: Spine, ticket: str, token: str) -> None:
    reply = program.token(code(program, ticket), seconds(spine), client_assertion=token)
    assert reply.status_code in (400, 401)


def test_discovery_leads_to_the_endpoints(program: NativeProgram, spine: Spine) -> None:
    found = requests.get(f"{spine.url}/.well-known/openid-configuration", verify=str(spine.ca_file), timeout=10).json()
    assert found["issuer"] == spine.url
    assert found["authorization_endpoint"] == "nhsidentityagent://connect/authorize"
    assert found["token_endpoint"] == f"{spine.url}/openid/token"
    key = requests.get(found["jwks_uri"], verify=str(spine.ca_file), timeout=10).json()["keys"][0]
    assert "d" not in key
    assert key["kid"]


def test_without_clients_there_is_none_of_it(spine_factory: SpineFactory) -> None:
    spine = spine_factory()
    assert spine.client().get("/.well-known/openid-configuration").status_code == 404


def test_the_record_keeps_no_ticket(program: NativeProgram, spine: Spine, ticket: str) -> None:
    code(program, ticket)
    kept = json.dumps([repr(sent.exchange) for sent in spine.requests()])
    assert ticket not in kept
    assert ticket not in "\n".join(spine.log)


@pytest.mark.parametrize(
    "text",
    ["x", "client = 5", "[[client]]", '[[client]]\nid = 5\nname = "x"\nredirect_uris = []\nkey = "k"',
     '[[client]]\nid = "x"\nname = "x"\nredirect_uris = ["x"]\nkey = "ward-board.pem"',
     '[[client]]\nid = "x"\nname = "x"\nredirect_uris = []\nkey = "none.pem"',
     '[[client]]\nid = "x"\nname = "x"\nredirect_uris = []\nkey = "clients.toml"'],
    ids=str,
)  # fmt: skip
def test_clients_that_cannot_be_read_are_said(tmp_path: Path, text: str) -> None:
    register(tmp_path)
    (tmp_path / "clients.toml").write_text(text)
    with pytest.raises(DataError, match=r"clients\.toml"):
        load(tmp_path / "clients.toml")
