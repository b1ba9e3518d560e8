"""Each fault of CIS2 against a client that refuses it, says why, and takes the next honest sign-in.

That it is this check which refuses is shown by leaving it out: then the client takes what is wrong.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from examples.strict_client import Refused, StrictClient
from support.cis2 import Application, jws_header
from support.cis2 import register as register_example
from support.cis2_logout import UID, LogoutAddress, go, provider_of, register, sign_in, strict
from support.machine import wait_until
from support.spine import Spine, SpineFactory

from spine_stub.cis2 import faults
from spine_stub.cis2.logout import tokens
from spine_stub.cis2.tokens.reading import taken_apart
from spine_stub.errors import DataError

# Each fault, and the checks that have to be there.
TOKENS = {
    "wrong-state": ["state"],
    "wrong-iss": ["iss"],
    "wrong-aud": ["aud"],
    "wrong-alg": ["alg"],
    "alg-none": ["alg", "signature"],
    "wrong-signature": ["signature"],
    "expired-token": ["exp"],
    "not-yet-valid": ["not before"],
    "wrong-nonce": ["nonce"],
    "wrong-sub": ["userinfo sub"],
    "low-assurance": ["assurance"],
    "old-auth-time": ["auth_time"],
    "no-role": ["role"],
    "unknown-role": ["role"],
    "missing-claims": ["assurance"],
}
ERRORS = {"access-denied": "access_denied", "temporarily-unavailable": "temporarily_unavailable"}
LOGOUTS = {
    "logout-wrong-iss": ["iss"],
    "logout-wrong-aud": ["aud"],
    "logout-wrong-signature": ["signature"],
    "logout-wrong-alg": ["alg"],
    "logout-no-events": ["events"],
    "logout-with-nonce": ["no nonce"],
    "logout-old": ["iat recent"],
    "logout-twice": ["jti once"],
    "logout-no-subject": ["sub or sid"],
    "logout-is-id-token": ["events", "no nonce", "jti once"],
}


@pytest.fixture
def client(spine: Spine, logout_address: LogoutAddress) -> StrictClient:
    register(spine, backchannel_logout_uri=logout_address.url)
    return strict(spine)


def without(client: StrictClient, spine: Spine, checks: list[str]) -> StrictClient:
    """A client that does not make these checks, and has forgotten nothing else."""
    careless = strict(spine, leave_out=checks)
    careless._used, careless.visits = client._used, dict(client.visits)
    return careless


def test_an_issuer_is_the_same_as_text(spine_factory: SpineFactory) -> None:
    """The real one has :443 in it, which means the same to a browser and not to a client."""
    with pytest.raises(Refused, match=r"^iss: https://localhost:443/realm$"):
        strict(spine_factory(cis2_issuer="https://localhost:443/realm"))


@pytest.mark.parametrize("fault", TOKENS)
def test_a_wrong_sign_in_is_refused_by_its_check(spine: Spine, client: StrictClient, fault: str) -> None:
    spine.faults.always(fault, client=client.client_id)
    with pytest.raises(Refused) as caught:
        sign_in(spine, client)
    assert caught.value.rule == TOKENS[fault][0]
    assert sign_in(spine, without(client, spine, TOKENS[fault])).sub
    spine.faults.clear()
    assert sign_in(spine, client).sub == UID


@pytest.mark.parametrize("algorithm", ["PS256", "HS256"])
def test_any_other_algorithm_is_refused(spine: Spine, client: StrictClient, algorithm: str) -> None:
    """HS256 with the public key for a secret, too (RFC 8725, section 2.1)."""
    spine.faults.once("wrong-alg", algorithm)
    with pytest.raises(Refused, match=f"^alg: {algorithm}$"):
        sign_in(spine, client)


def test_another_algorithm_is_not_the_one_that_was_registered(spine: Spine) -> None:
    register_example(provider_of(spine), secret="example-secret", id_token_alg="RS512")
    spine.faults.always("wrong-alg")
    application = Application(spine.url, spine.ca_file)
    assert jws_header(application.token(application.code()).json()["id_token"])["alg"] == "RS256"


@pytest.mark.parametrize("value", ["none", "RS1", ""])
def test_an_algorithm_that_there_is_not_is_no_value(spine: Spine, value: str) -> None:
    with pytest.raises(DataError) if value else nullcontext():
        spine.faults.once("wrong-alg", value)


@pytest.mark.parametrize("fault", ERRORS)
def test_an_error_in_place_of_a_code_is_refused(spine: Spine, client: StrictClient, fault: str) -> None:
    spine.faults.once(fault, client=client.client_id)
    with pytest.raises(Refused, match=f"^error: {ERRORS[fault]}$"):
        sign_in(spine, client)
    assert sign_in(spine, client).sub == UID


@pytest.mark.parametrize("endpoint", ["access_token", "userinfo", "jwk_uri"])
@pytest.mark.parametrize("fault", ["delay", "hang", "drop", "half-body", "http-500", "http-503", "not-xml"])
def test_a_provider_that_is_slow_or_gone_signs_nobody_in(
    spine: Spine, client: StrictClient, fault: str, endpoint: str
) -> None:
    standing = spine.faults.always(fault, endpoint=endpoint)
    client.patience = 1 if fault in ("delay", "hang") else 10
    with pytest.raises(Refused, match=r"^error: "):
        sign_in(spine, client)
    spine.faults.clear(standing.number)
    client.patience = 10
    assert sign_in(spine, client).sub == UID


def test_new_keys_are_fetched(spine: Spine, client: StrictClient) -> None:
    careless = without(client, spine, ["new keys"])
    for each in (client, careless):
        sign_in(spine, each)
    spine.faults.once("rotate-keys")
    assert sign_in(spine, client).sub == UID
    with pytest.raises(Refused, match=r"^signature: no key"):
        sign_in(spine, careless)


def test_a_fault_is_for_the_client_that_it_names(spine: Spine, client: StrictClient) -> None:
    register(spine, id="another")
    spine.faults.always("wrong-iss", client="another")
    assert sign_in(spine, client).sub == UID


@pytest.mark.parametrize("who", ["strict", UID])
def test_a_fault_is_for_a_client_or_a_person(spine: Spine, client: StrictClient, who: str) -> None:
    spine.faults.always("wrong-iss", client=who)
    with pytest.raises(Refused):
        sign_in(spine, client)


def test_claims_of_userinfo_can_be_missing(spine: Spine, client: StrictClient) -> None:
    spine.faults.always("missing-claims", "nhsid_nrbac_roles, name", endpoint="userinfo")
    with pytest.raises(Refused, match=r"^role: "):
        sign_in(spine, client)


def end(spine: Spine, address: LogoutAddress, client: StrictClient) -> str:
    """The logout token of the newest visit, which is over now."""
    provider, count = provider_of(spine), len(address.received)
    provider.sessions.end(list(client.visits)[-1], "control")
    wait_until(lambda: len(address.received) > count and len(provider.outbox.logouts()) > count)
    return address.received[-1].token


@pytest.mark.parametrize("fault", LOGOUTS)
def test_a_wrong_logout_token_is_refused_by_its_check(
    spine: Spine, logout_address: LogoutAddress, client: StrictClient, fault: str
) -> None:
    for _ in range(2):
        sign_in(spine, client)
    client.log_out(end(spine, logout_address, client))
    spine.faults.always(fault, client=client.client_id)
    wrong = end(spine, logout_address, client)
    with pytest.raises(Refused) as caught:
        client.log_out(wrong)
    assert caught.value.rule == LOGOUTS[fault][0]
    assert len(client.visits) == 1
    careless = without(client, spine, LOGOUTS[fault])
    careless.log_out(wrong)
    assert len(careless.visits) == (1 if fault == "logout-no-subject" else 0)


def test_a_token_without_a_jti_that_was_taken_is_none_to_send_twice(
    spine: Spine, logout_address: LogoutAddress, client: StrictClient
) -> None:
    """An application that takes an ID token for a logout token answers 200 to it."""
    jtis = []
    for fault in ("", "logout-is-id-token", "logout-twice"):
        sign_in(spine, client)
        if fault:
            spine.faults.once(fault)
        jtis.append(taken_apart(end(spine, logout_address, client))[1].get("jti"))
    assert jtis == [jtis[0], None, jtis[0]]


MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "typ": ("typ", {}),
    "expired": ("exp", {"exp": -60}),
    "of the future": ("not before", {"iat": 600}),
    "without a time": ("exp", {"exp": None}),
    "without a jti": ("jti once", {"jti": None}),
}


@pytest.mark.parametrize("made", MADE)
def test_other_wrong_logout_tokens_are_refused_too(spine: Spine, client: StrictClient, made: str) -> None:
    provider, (rule, changed), visit = provider_of(spine), MADE[made], sign_in(spine, client)
    claims = tokens.claims(client.issuer, client.client_id, UID, visit.sid, "control", provider.clock())
    now = claims["iat"]
    claims.update({name: value if value is None else now + value for name, value in changed.items()})
    token = provider.keys.sign(claims, **({"typ": "at+jwt"} if made == "typ" else {}))
    with pytest.raises(Refused, match=f"^{rule}: "):
        client.log_out(token)
    careless = without(client, spine, [rule])
    careless.log_out(token)
    assert (len(client.visits), len(careless.visits)) == (1, 0)


def test_an_honest_logout_token_ends_its_visit(
    spine: Spine, logout_address: LogoutAddress, client: StrictClient
) -> None:
    first, second = sign_in(spine, client), sign_in(spine, client)
    client.log_out(end(spine, logout_address, client))
    assert list(client.visits) == [first.sid] != [second.sid]


def test_every_fault_is_tried_here(spine: Spine) -> None:
    tried = {*TOKENS, *ERRORS, *LOGOUTS, "rotate-keys"}
    assert {kind.name for kind in faults.kinds(provider_of(spine))} == tried


def test_every_fault_is_listed_with_its_value(spine: Spine) -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing-with-cis2.md").read_text()
    for kind in faults.kinds(provider_of(spine)):
        value = f"{kind.value} (`{kind.default}`)" if kind.value else ""
        assert f"| `{kind.name}` | {kind.title} | `{kind.endpoint}` | {value} |" in page


def test_errors_come_before_anybody_is_asked(spine: Spine, client: StrictClient) -> None:
    """And go to no address that is not registered."""
    spine.faults.always("access-denied")
    assert "error=access_denied" in go(spine, client.begin())
    client.redirect_uri = "https://elsewhere.example/"
    with pytest.raises(AssertionError, match="redirect_uri"):
        go(spine, client.begin())
