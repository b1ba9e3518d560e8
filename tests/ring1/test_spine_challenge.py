"""The challenge proves its own origin and age (docs/protocol.md 3 has the layout)."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spine_stub.errors import BrokerError, InvalidInput, Refused
from spine_stub.login.challenge import Challenges, issue_time

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)


@pytest.fixture
def challenges() -> Challenges:
    return Challenges(b"secret of this broker", timedelta(minutes=5), lambda: NOON, lambda size: b"r" * size)


def at(challenges: Challenges, **later: float) -> Challenges:
    return replace(challenges, clock=lambda: NOON + timedelta(**later))


def test_it_is_20_random_bytes_8_of_milliseconds_and_20_of_mac(challenges: Challenges) -> None:
    raw = base64.b64decode(challenges.issue()[0])
    assert len(raw) == 48
    assert raw[:20] == b"r" * 20
    assert int.from_bytes(raw[20:28], "big") == int(NOON.timestamp() * 1000)
    assert issue_time(raw) == NOON


def test_the_broker_knows_its_own_challenge_again(challenges: Challenges) -> None:
    challenge, signature = challenges.issue()
    assert challenges.accept(challenge, signature) == base64.b64decode(challenge)


def test_it_holds_for_exactly_its_age_limit(challenges: Challenges) -> None:
    issued = challenges.issue()
    assert at(challenges, minutes=5).accept(*issued)
    with pytest.raises(Refused, match="challenge-expired"):
        at(challenges, minutes=5, milliseconds=1).accept(*issued)


def test_a_challenge_from_the_future_is_refused(challenges: Challenges) -> None:
    issued = at(challenges, seconds=6).issue()
    with pytest.raises(Refused, match="challenge-from-the-future"):
        challenges.accept(*issued)
    assert at(challenges, seconds=1).accept(*issued)  # clocks may differ by 5 s


def test_a_challenge_with_another_brokers_mac_is_refused(challenges: Challenges) -> None:
    challenge, _ = replace(challenges, secret=b"another").issue()
    signature = base64.b64encode(challenges._sign(base64.b64decode(challenge))).decode()
    with pytest.raises(Refused, match="challenge-mac-wrong"):
        challenges.accept(challenge, signature)


def test_a_challenge_with_another_brokers_signature_is_refused(challenges: Challenges) -> None:
    other = replace(challenges, secret=b"another")
    with pytest.raises(Refused, match="server-signature-wrong"):
        challenges.accept(*other.issue())


def test_a_changed_challenge_is_refused(challenges: Challenges) -> None:
    challenge, signature = challenges.issue()
    changed = bytearray(base64.b64decode(challenge))
    changed[27] ^= 1
    with pytest.raises(Refused, match="server-signature-wrong"):
        challenges.accept(base64.b64encode(changed).decode(), signature)


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        (base64.b64encode(b"x" * 47).decode(), "challenge-wrong-length"),
        (base64.b64encode(b"x" * 49).decode(), "challenge-wrong-length"),
        ("!!!!", "challenge-not-base64"),
        ("abc", "challenge-not-base64"),
        ("äöü=", "challenge-not-base64"),
    ],
)
def test_what_is_no_challenge_is_invalid_input(challenges: Challenges, challenge: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        challenges.accept(challenge, challenges.issue()[1])


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64"])
def test_what_is_no_signature_is_refused(challenges: Challenges, signature: str) -> None:
    with pytest.raises(BrokerError, match="signature"):
        challenges.accept(challenges.issue()[0], signature)
