"""CIS2's ladder of assurance: what a request offers, and which earlier sign-in is enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.source import ROOT

from spine_stub.cis2.identity.assurance import CLASSES, MECHANISMS, Wanted
from spine_stub.cis2.identity.sessions import Authentication

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


def used(mechanism: str, seconds_ago: float = 0) -> Authentication:
    return MECHANISMS[mechanism].at("555000000001", NOW - timedelta(seconds=seconds_ago))


def wanted(**parameters: str) -> Wanted:
    return Wanted.read(parameters)


@pytest.mark.parametrize(
    ("acr_values", "offered"),
    [
        ("", "N3_SMARTCARD CIS2_SMARTCARD FIDO2 WINDOWS_HELLO IOS"),
        ("AAL3_ANY", "N3_SMARTCARD CIS2_SMARTCARD FIDO2 WINDOWS_HELLO IOS"),
        ("AAL2_ANY", "TOTP NHSMAIL"),
        ("AAL2_OR_AAL3_ANY", "N3_SMARTCARD CIS2_SMARTCARD FIDO2 WINDOWS_HELLO IOS TOTP NHSMAIL"),
        ("AAL1_USERPASS", "USERPASS"),
        ("AAL3_SMARTCARD", "N3_SMARTCARD CIS2_SMARTCARD"),
        ("AAL3_N3_SMARTCARD", "N3_SMARTCARD"),
        ("AAL2_TOTP AAL3_FIDO2", "FIDO2 TOTP"),
        ("AAL2_FIDO2", "N3_SMARTCARD CIS2_SMARTCARD FIDO2 WINDOWS_HELLO IOS"),
        ("urn:unknown AAL2_TOTP", "TOTP"),
        ("aal2_any", "N3_SMARTCARD CIS2_SMARTCARD FIDO2 WINDOWS_HELLO IOS"),
    ],
)
def test_what_is_offered_is_what_was_asked_for_or_else_aal3(acr_values: str, offered: str) -> None:
    assert " ".join(mechanism.name for mechanism in wanted(acr_values=acr_values).offered()) == offered


@pytest.mark.parametrize("name", CLASSES)
def test_exactly_what_is_offered_is_enough(name: str) -> None:
    asked = wanted(acr_values=name)
    assert [each for each in MECHANISMS.values() if asked.is_met_by(used(each.name), NOW)] == asked.offered() != []


@pytest.mark.parametrize(
    ("parameters", "seconds_ago", "is_met"),
    [
        ({}, 86400, True),
        ({"max_age": "300"}, 300, True),
        ({"max_age": "300"}, 301, False),
        ({"max_age": "0"}, 1, False),
        ({"prompt": "login"}, 0, False),
        ({"prompt": "select_account"}, 0, False),
        ({"prompt": "consent"}, 10, True),
        ({"prompt": "none"}, 10, True),
        ({"prompt": "none", "max_age": "5"}, 10, False),
        ({"max_age": "300000"}, 86400, True),
    ],
)
def test_an_earlier_sign_in_is_enough_while_nothing_asks_for_a_new_one(
    parameters: dict[str, str], seconds_ago: float, is_met: bool
) -> None:
    assert Wanted.read(parameters).is_met_by(used("N3_SMARTCARD", seconds_ago), NOW) is is_met


@pytest.mark.parametrize(
    ("acr_values", "mechanism", "acr"),
    [
        ("", "N3_SMARTCARD", "AAL3_ANY"),
        ("AAL2_OR_AAL3_ANY", "N3_SMARTCARD", "AAL2_OR_AAL3_ANY"),
        ("AAL2_ANY AAL3_ANY", "FIDO2", "AAL3_ANY"),
        ("AAL3_N3_SMARTCARD AAL3_ANY", "N3_SMARTCARD", "AAL3_N3_SMARTCARD"),
        ("AAL3_ANY", "USERPASS", "AAL1_USERPASS"),
    ],
)
def test_the_token_names_the_class_that_was_asked_for_and_met(acr_values: str, mechanism: str, acr: str) -> None:
    assert wanted(acr_values=acr_values).acr(used(mechanism)) == acr


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"prompt": "none login"}, "none and something else"),
        ({"prompt": "whatever"}, "unknown value: 'whatever'"),
        ({"max_age": "-1"}, "max_age is not a number of seconds"),
        ({"max_age": "5m"}, "max_age is not"),
        ({"max_age": "1.5"}, "max_age is not"),
        ({"max_age": "٣"}, "max_age is not"),
        ({"max_age": "9" * 5000}, "max_age is not"),
    ],
)
def test_what_no_request_may_say_is_refused_with_a_sentence(parameters: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Wanted.read(parameters)


def test_the_documentation_has_the_same_ladder() -> None:
    text = (ROOT / "docs" / "testing-with-cis2.md").read_text()
    for name in ("AAL3_ANY", "AAL2_ANY", "AAL1_USERPASS", "AAL3_SMARTCARD"):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert row.split("|")[2].strip() == " ".join(f"`{each.name}`" for each in wanted(acr_values=name).offered())
