"""An application ends the session of its user, and the browser goes back to where the application may send it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from support.cis2_logout import UID, LogoutAddress, provider_of, register, sign_in, strict
from support.machine import wait_until
from support.spine import Spine

from spine_stub.cis2 import REALM
from spine_stub.cis2.identity.assurance import SMARTCARD
from spine_stub.cis2.identity.sessions import COOKIE
from spine_stub.cis2.logout import tokens

BACK = "http://127.0.0.1:5000/signed-out?from=cis2"


@pytest.fixture
def hint(spine: Spine, logout_address: LogoutAddress) -> str:
    """An ID token of somebody who is signed in."""
    register(spine, backchannel_logout_uri=logout_address.url, post_logout_redirect_uris=(BACK,))
    client = strict(spine)
    sign_in(spine, client)
    return client.id_token


def end(spine: Spine, cookies: dict[str, str] | None = None, **parameters: str) -> requests.Response:
    address = f"{spine.url}{REALM}/connect/endSession?{urlencode(parameters)}"
    return requests.get(address, verify=str(spine.ca_file), allow_redirects=False, cookies=cookies, timeout=10)


def test_a_session_is_ended_and_its_applications_hear_of_it(
    spine: Spine, hint: str, logout_address: LogoutAddress
) -> None:
    reply = end(spine, id_token_hint=hint, post_logout_redirect_uri=BACK, state="a&b")
    assert (reply.status_code, reply.headers["Location"]) == (302, f"{BACK}&state=a%26b")
    assert not provider_of(spine).sessions.all()
    wait_until(lambda: logout_address.received)
    [step] = [step for step in provider_of(spine).journal.steps() if step.endpoint == "end_session"]
    assert step.got["ended"]
    assert wait_until(lambda: provider_of(spine).outbox.logouts())[0].reason == "application"


def test_without_an_address_there_is_a_page(spine: Spine, hint: str) -> None:
    reply = end(spine, id_token_hint=hint)
    assert reply.status_code == 200
    assert "signed out" in reply.text.lower()
    assert not provider_of(spine).sessions.all()


def test_a_loopback_address_may_have_any_port(spine: Spine, hint: str) -> None:
    elsewhere = BACK.replace("5000", "6000")
    assert end(spine, id_token_hint=hint, post_logout_redirect_uri=elsewhere).headers["Location"] == elsewhere


def test_a_session_that_is_over_is_no_error(spine: Spine, hint: str) -> None:
    for _ in range(2):
        assert end(spine, id_token_hint=hint, post_logout_redirect_uri=BACK).headers["Location"] == BACK


def test_an_id_token_that_has_expired_will_do(spine: Spine, hint: str) -> None:
    provider_of(spine).clock.forward(tokens.LIFETIME * 100)
    assert end(spine, id_token_hint=hint).status_code == 200


def test_whoever_is_signed_in_by_now_stays_signed_in(spine: Spine, hint: str) -> None:
    """The ID token is of an earlier session in the same browser."""
    somebody = provider_of(spine).sessions.open(SMARTCARD.at("555000000001", provider_of(spine).clock()))
    reply = end(spine, {COOKIE: somebody.cookie}, id_token_hint=hint)
    assert (reply.status_code, reply.headers.get("Set-Cookie")) == (200, None)
    assert provider_of(spine).sessions.all() == [somebody]
    assert f"{COOKIE}=;" in end(spine, {COOKIE: "of nobody"}, id_token_hint=hint).headers["Set-Cookie"]


@pytest.mark.parametrize(
    "changed",
    [
        {"id_token_hint": ""},
        {"id_token_hint": "x.y.z"},
        {"id_token_hint": "x" * 9000},
        {"client_id": "another"},
        {"post_logout_redirect_uri": "http://127.0.0.1:5000/signed-out"},
        {"post_logout_redirect_uri": f"{BACK}&more"},
        {"post_logout_redirect_uri": "https://elsewhere.example/"},
        {"post_logout_redirect_uri": "//elsewhere.example"},
        {"post_logout_redirect_uri": BACK.replace("5000", "50\n00")},
        {"post_logout_redirect_uri": BACK.replace("5000", "5000@elsewhere.example")},
        {"post_logout_redirect_uri": f"{BACK}\r\nSet-Cookie: x=y"},
    ],
    ids=str,
)
def test_what_is_wrong_ends_nothing_and_leads_nowhere(spine: Spine, hint: str, changed: dict[str, str]) -> None:
    reply = end(spine, **{"id_token_hint": hint, "post_logout_redirect_uri": BACK, **changed})
    assert (reply.status_code, reply.headers.get("Location")) == (400, None)
    assert len(provider_of(spine).sessions.all()) == 1
    assert provider_of(spine).journal.steps()[-1].refused


def changed_tokens(spine: Spine, hint: str) -> dict[str, str]:
    """Tokens that are none of ours, or no ID tokens."""
    provider, (head, claims, signature) = provider_of(spine), hint.split(".")
    session = provider.sessions.all()[0]
    logout: dict[str, Any] = tokens.claims("https://issuer", "strict", UID, session.sid, "control", provider.clock())
    return {
        "changed": ".".join((head, claims, signature[:-4] + "AAAA")),
        "unsigned": f"eyJhbGciOiJub25lIn0.{claims}.",
        "a logout token": provider.keys.sign(logout),
        "without a session": provider.keys.sign({"aud": "strict", "tokenName": "id_token"}),
        "for many": provider.keys.sign({"aud": ["strict"], "sid": session.sid, "tokenName": "id_token"}),
    }


@pytest.mark.parametrize("kind", ["changed", "unsigned", "a logout token", "without a session", "for many"])
def test_a_token_that_is_not_ours_ends_nothing(spine: Spine, hint: str, kind: str) -> None:
    assert end(spine, id_token_hint=changed_tokens(spine, hint)[kind]).status_code == 400
    assert len(provider_of(spine).sessions.all()) == 1


def test_a_client_that_is_gone_leads_nowhere(spine: Spine, hint: str) -> None:
    provider_of(spine).clients.reset()
    assert end(spine, id_token_hint=hint, post_logout_redirect_uri=BACK).status_code == 400
