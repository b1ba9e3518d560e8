"""What an application's own requests say of it, rule by rule: right, wrong, and not to be seen."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spine_stub.cis2.conformance.evidence import Evidence, Outcome
from spine_stub.cis2.conformance.report import Probed, make_report
from spine_stub.cis2.conformance.rules import RULES
from spine_stub.cis2.journal import Step

START = datetime(2026, 11, 27, 9, tzinfo=UTC)
STATE, NONCE = "kqpYn2Yxk6l2bT0m", "0Zl9yq2NwhXbC7aD"
REQUEST = {
    "response_type": "code", "scope": "openid profile nationalrbacaccess selectedrole", "state": STATE, "nonce": NONCE,
    "redirect_uri": "http://127.0.0.1:5000/callback", "max_age": "300", "acr_values": "AAL3_ANY",
    "code_challenge": "c" * 43, "code_challenge_method": "S256",
}  # fmt: skip
CLAIMS = {"aud": "https://127.0.0.1/access_token", "exp": START.timestamp() + 60, "jti": "one"}
HEADER = {"alg": "RS256", "kid": "key-1"}
TOKEN = {"auth_method": "private_key_jwt", "assertion_header": HEADER, "assertion_claims": CLAIMS}


def sign_in(number: int = 1, *, request: Any = (), token: Any = (), claims: Any = (), header: Any = ()) -> list[Step]:
    """The steps of one sign-in, with changes; a parameter that is None is left out."""
    fresh = {"state": f"{STATE}{number}", "nonce": f"{NONCE}{number}"}
    asked = {**REQUEST, **fresh, **dict(request)}
    signed = {**CLAIMS, "jti": f"jti-{number}", **dict(claims)}
    redeemed = {**TOKEN, "assertion_claims": signed, "assertion_header": {**HEADER, **dict(header)}, **dict(token)}
    sent = {"authorize": asked, "code": {}, "access_token": redeemed, "userinfo": {}}
    return [
        Step(number * 10 + place, START, f"s{number}", "ward", name, {k: v for k, v in fields.items() if v is not None})
        for place, (name, fields) in enumerate(sent.items())
    ]


def outcome(rule: str, *steps: list[Step]) -> Outcome:
    report = make_report("ward", [step for each in steps for step in each], Probed(), START)
    return next(finding.outcome for finding in report.findings if finding.rule.name == rule)


def evidence(rule: str, *steps: list[Step]) -> str:
    """What is wrong, as the report says it."""
    report = make_report("ward", [step for each in steps for step in each], Probed(), START)
    found = next(finding for finding in report.findings if finding.rule.name == rule)
    return "; ".join(f"{each.sent}: {each.did}" for each, _ in found.evidence if each.outcome is Outcome.FAILED)


def test_an_application_that_does_all_right_breaks_no_rule() -> None:
    report = make_report("ward", sign_in(1) + sign_in(2), Probed(), START)
    assert report.sign_ins == 2
    assert not report.of(Outcome.FAILED)
    passed = {finding.rule.name for finding in report.of(Outcome.PASSED)}
    assert passed == {rule.name for rule in RULES if not rule.probes}


def test_of_nobody_nothing_is_known() -> None:
    report = make_report("ward", [], Probed(), START)
    assert len(report.of(Outcome.NOT_OBSERVED)) == len(RULES)
    assert {finding.note for finding in report.findings} == {"Nobody signed in to the application yet."}


@pytest.mark.parametrize(
    ("rule", "changed", "words"),
    [
        ("state-sent", {"state": None}, "no state"),
        ("state-sent", {"state": "abc"}, "can be guessed"),
        ("nonce-sent", {"nonce": None}, "no nonce"),
        ("max-age", {"max_age": None}, "of any age"),
        ("max-age", {"max_age": "300000"}, "3.47 days.*milliseconds, it seems"),
        ("max-age", {"max_age": "900"}, "15 minutes"),
        ("max-age", {"max_age": "60"}, "60 seconds"),
        ("max-age", {"max_age": "-1"}, "no number"),
        ("max-age", {"max_age": "9" * 400}, "no number"),
        ("max-age", {"max_age": "３００"}, "no number"),  # noqa: RUF001 - digits that int() takes
        ("acr-values", {"acr_values": "AAL4_ANY"}, "no AAL4_ANY"),
        ("scopes", {"scope": "profile"}, "openid is missing"),
        ("scopes", {"scope": "openid everything"}, "no scope everything"),
        ("scopes", {"scope": "openid profile profile"}, "with profile more than once: the list grows"),
        ("one-role-scope", {"scope": "openid selectedrole changedrole"}, "changedrole and selectedrole"),
        ("redirect-uri", {"redirect_uri": "http://ward.example/callback"}, "https, or loopback"),
        ("pkce", {"code_challenge_method": None}, "use S256"),
        ("pkce", {"code_challenge_method": "plain"}, "use S256"),
    ],
)
def test_a_wrong_request_breaks_its_rule_alone(rule: str, changed: dict[str, str | None], words: str) -> None:
    steps = sign_in(request=changed)
    assert re.search(words, evidence(rule, steps))
    assert [finding.rule.name for finding in make_report("ward", steps, Probed(), START).of(Outcome.FAILED)] == [rule]


@pytest.mark.parametrize(
    ("rule", "changes", "words"),
    [
        ("assertion-audience", {"claims": {"aud": "https://127.0.0.1/authorize"}}, "for the token endpoint"),
        ("assertion-audience", {"claims": {"aud": []}}, "for the token endpoint"),
        ("assertion-audience", {"claims": {"aud": {"a": 1}}}, "for the token endpoint"),
        ("assertion-lifetime", {"claims": {"exp": START.timestamp() + 3600}}, "60 minutes"),
        ("assertion-lifetime", {"claims": {"exp": START.timestamp() - 60}}, "ended already"),
        ("assertion-lifetime", {"claims": {"exp": "soon"}}, "never ends"),
        ("assertion-lifetime", {"claims": {"exp": True}}, "never ends"),
        ("assertion-once", {"claims": {"jti": ""}}, "without jti"),
        ("assertion-key", {"header": {"kid": ""}}, "without kid"),
    ],
)
def test_a_wrong_assertion_breaks_its_rule_alone(rule: str, changes: dict[str, Any], words: str) -> None:
    steps = sign_in(**changes)
    assert words in evidence(rule, steps)
    assert [finding.rule.name for finding in make_report("ward", steps, Probed(), START).of(Outcome.FAILED)] == [rule]


def test_what_is_used_twice_is_seen_over_two_sign_ins() -> None:
    same = {"state": STATE}
    assert "earlier sign-in" in evidence("state-sent", sign_in(1, request=same), sign_in(2, request=same))
    assert "earlier" in evidence("assertion-once", sign_in(1, claims={"jti": "x"}), sign_in(2, claims={"jti": "x"}))


def test_a_page_that_is_loaded_again_is_no_second_sign_in() -> None:
    again = sign_in(1, request={"state": STATE})[:1]
    assert outcome("state-sent", again, sign_in(2, request={"state": STATE})) is Outcome.PASSED


def test_scopes_that_grow_are_seen() -> None:
    more = {"scope": f"{REQUEST['scope']} email"}
    assert "more than an earlier request: email" in evidence("scopes", sign_in(1), sign_in(2, request=more))
    assert outcome("scopes", sign_in(1, request=more), sign_in(2, request=more)) is Outcome.PASSED


def test_changing_the_role_is_no_growth() -> None:
    changed = {"scope": "openid profile nationalrbacaccess changedrole"}
    assert outcome("scopes", sign_in(1), sign_in(2, request=changed)) is Outcome.PASSED


def test_a_code_is_redeemed_once_and_at_once() -> None:
    first = sign_in()
    assert "second time" in evidence("code-once", first, [first[2]])
    late = Step(12, START + timedelta(seconds=90), "s1", "ward", "access_token", TOKEN)
    assert "90 seconds" in evidence("code-once", [*first[:2], late])


def test_claims_that_nobody_asks_for_are_too_many_scopes() -> None:
    assert "nationalrbacaccess profile" in evidence("userinfo-asked", sign_in()[:3])
    assert outcome("userinfo-asked", sign_in(request={"scope": "openid selectedrole"})[:3]) is Outcome.NOT_OBSERVED


def test_a_sign_in_that_met_a_fault_is_not_judged() -> None:
    stopped = [replace(step, fault="wrong-nonce") if step.endpoint == "access_token" else step for step in sign_in(2)]
    assert outcome("userinfo-asked", sign_in(1), stopped[:3]) is Outcome.PASSED
    assert outcome("userinfo-asked", stopped[:3]) is Outcome.NOT_OBSERVED


def test_asking_to_sign_in_anew_needs_no_max_age() -> None:
    assert outcome("max-age", sign_in(request={"max_age": None, "prompt": "login"})) is Outcome.PASSED


@pytest.mark.parametrize("rule", ["acr-values", "one-role-scope", "pkce", "assertion-once", "assertion-key"])
def test_what_is_not_used_is_not_judged(rule: str) -> None:
    steps = sign_in(
        request={"acr_values": None, "scope": "openid profile", "code_challenge": None, "code_challenge_method": None},
        token={"assertion_claims": None, "assertion_header": None},
    )
    assert outcome(rule, steps) is Outcome.NOT_OBSERVED


def test_parameters_of_any_kind_are_looked_at_without_an_error() -> None:
    odd: list[Any] = [None, 3, ["a"], {"a": 1}, "\0", "http://[", "x" * 5000, "\ud800"]
    for value in odd:
        steps = [
            Step(1, START, "s", "ward", "authorize", dict.fromkeys(REQUEST, value)),
            Step(2, START, "s", "ward", "access_token", dict.fromkeys(TOKEN, value)),
            Step(3, START, "s", "ward", "access_token", {**TOKEN, "assertion_claims": dict.fromkeys(CLAIMS, value)}),
        ]
        assert make_report("ward", steps, Probed(), START).findings


def test_five_thousand_steps_are_judged_at_once() -> None:
    steps = [step for number in range(1250) for step in sign_in(number)]
    begun = time.process_time()
    make_report("ward", steps, Probed(), START)
    assert time.process_time() - begun < 2


def test_a_probed_rule_holds_when_every_probe_was_seen_to_be_refused() -> None:
    rule = next(rule for rule in RULES if rule.name == "id-token-signature")
    passed = [Evidence(Outcome.PASSED, probe.sent, "it signed nobody in", probe.name) for probe in rule.probes]
    failed = Evidence(Outcome.FAILED, "a token", "it showed the text", rule.probes[0].name)
    for seen, expected in (
        (passed, Outcome.PASSED),
        (passed[1:], Outcome.NOT_OBSERVED),
        ([failed, *passed[1:]], Outcome.FAILED),
        ([], Outcome.NOT_OBSERVED),
    ):
        report = make_report("ward", sign_in(), Probed("", {rule.name: seen}), START)
        assert next(found.outcome for found in report.findings if found.rule is rule) is expected
