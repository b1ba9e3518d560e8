"""Assertions are taken once, however many others come between."""

from __future__ import annotations

from typing import Any

import pytest
from support.cis2 import REDIRECT, secret_key, sign
from support.spine import SettableClock

from spine_stub.cis2.clients import assertions as module
from spine_stub.cis2.clients.addresses import Addresses
from spine_stub.cis2.clients.assertions import Assertion, Assertions, BadAssertion
from spine_stub.cis2.clients.keys import ClientKeys
from spine_stub.cis2.clients.registry import SECRET_JWT, make

AUDIENCE = "https://127.0.0.1/access_token"
SECRET = "a-secret-of-32-characters-or-more"


@pytest.fixture
def assertions() -> Assertions:
    return Assertions(ClientKeys(Addresses()))


def shown(assertions: Assertions, clock: SettableClock, client_id: str, jti: str, **changed: Any) -> None:
    """Show an assertion; raises BadAssertion."""
    client = make({"id": client_id, "secret": SECRET, "redirect_uris": [REDIRECT]}, None)
    said = {
        "iss": client_id,
        "sub": client_id,
        "aud": AUDIENCE,
        "jti": jti,
        "exp": clock().timestamp() + 300,
        **changed,
    }
    assertion = Assertion.read(sign(said, secret_key(SECRET), "HS256"))
    assertions.check(assertion, client, SECRET_JWT, AUDIENCE, clock())


def test_it_is_remembered_for_as_long_as_it_could_be_taken(assertions: Assertions, clock: SettableClock) -> None:
    ends = clock().timestamp() + 304
    shown(assertions, clock, "a", "1", exp=ends)
    clock.advance(minutes=5, seconds=8)
    with pytest.raises(BadAssertion, match="used already"):
        shown(assertions, clock, "a", "1", exp=ends)
    clock.advance(seconds=1)
    with pytest.raises(BadAssertion, match="exp is past"):
        shown(assertions, clock, "a", "1", exp=ends)


def test_another_client_may_use_the_same_name(assertions: Assertions, clock: SettableClock) -> None:
    shown(assertions, clock, "a", "1")
    shown(assertions, clock, "b", "1")


def test_nobodys_is_pushed_out_by_many_others(
    assertions: Assertions, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_USED", 3)
    for number in range(3):
        shown(assertions, clock, "a", str(number))
    with pytest.raises(BadAssertion, match="too many"):
        shown(assertions, clock, "b", "0")
    with pytest.raises(BadAssertion, match="used already"):
        shown(assertions, clock, "a", "0")
    clock.advance(minutes=6)
    shown(assertions, clock, "b", "0")


def test_a_name_may_be_any_text(assertions: Assertions, clock: SettableClock) -> None:
    for jti in ("\u00e9", "x" * 3000):
        shown(assertions, clock, "a", jti)
        with pytest.raises(BadAssertion, match="used already"):
            shown(assertions, clock, "a", jti)
