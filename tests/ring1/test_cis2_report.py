"""The report as JSON and as JUnit XML, and what the rules say of themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from defusedxml import ElementTree
from support.source import ROOT

from spine_stub.cis2.conformance.evidence import Evidence, Outcome
from spine_stub.cis2.conformance.junit import to_junit
from spine_stub.cis2.conformance.report import Probed, Report, make_report
from spine_stub.cis2.conformance.rules import GROUPS, RULES
from spine_stub.cis2.journal import Step
from spine_stub.errors import DataError

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
REQUEST = Step(
    1, NOW, "s", "ward", "authorize", {"max_age": "900", "state": "s" * 20, "redirect_uri": "http://localhost/"}
)


def report(problem: str = "", evidence: Mapping[str, Sequence[Evidence]] | None = None) -> Report:
    return make_report("ward", [REQUEST], Probed(problem, evidence), NOW)


def test_each_rule_says_what_who_says_so_and_how_it_is_seen() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
        assert not rule.says.endswith(".")
        assert re.search(r"NHS England, |OpenID Connect |RFC \d", rule.guidance)
        assert rule.probes or rule.observe.__name__ != "unseen"


def test_the_page_of_rules_lists_each_with_what_it_says_who_says_so_and_its_faults() -> None:
    page = (ROOT / "docs" / "cis2-rules.md").read_text()
    for group, rules in GROUPS.items():
        section = page.partition(f"\n## {group}\n")[2].partition("\n## ")[0]
        rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in section.splitlines()[3:] if line]
        assert [row[:3] for row in rows] == [(f"`{rule.name}`", rule.says, rule.guidance) for rule in rules]
        for row, rule in zip(rows, rules, strict=True):
            assert re.findall("`(.*?)`", row[3]) == [probe.name for probe in rule.probes if probe.fault]
            assert ("in its requests" in row[3]) == (rule.observe.__name__ != "unseen")


def test_no_probe_is_named_twice_in_a_rule() -> None:
    for rule in RULES:
        assert len({probe.name for probe in rule.probes}) == len(rule.probes)


def test_a_failure_says_what_was_sent_what_was_done_and_who_says_otherwise() -> None:
    found = {each["name"]: each for each in report().as_json()["rules"]}
    assert found["max-age"] == {
        "group": "The request",
        "name": "max-age",
        "says": "A fresh sign-in is asked for: max_age is 240 to 300, in seconds",
        "guidance": "NHS England, CIS2 Authentication: Session management; OpenID Connect Core 1.0, section 3.1.2.1",
        "outcome": "fail",
        "note": "",
        "evidence": [
            {
                "outcome": "fail",
                "sent": "max_age=900",
                "did": "that is 15 minutes, and must be 240 to 300 seconds",
                "probe": "",
                "sign_in": "s",
                "times": 1,
            }
        ],
    }


def test_the_counts_are_those_of_the_rules() -> None:
    counted = report().as_json()
    assert sum(counted["counts"].values()) == len(counted["rules"]) == len(RULES)
    for outcome, count in counted["counts"].items():
        assert sum(rule["outcome"] == outcome for rule in counted["rules"]) == count


def test_what_is_not_observed_says_what_to_do() -> None:
    notes = {finding.rule.name: finding.note for finding in report().findings}
    assert notes["auth-time-checked"] == "Probe the application: python3 -m spine_stub probe."
    assert notes["pkce"] == "The application sends no code_challenge. RFC 9700 recommends it."
    notes = {finding.rule.name: finding.note for finding in report("It is away.", {}).findings}
    assert notes["auth-time-checked"] == "It is away."


def test_junit_has_a_case_for_each_rule_in_its_group() -> None:
    suites = ElementTree.fromstring(to_junit(report()))
    suite = suites.find("testsuite")
    cases = suite.findall("testcase")
    assert [case.get("classname") for case in cases] == [
        f"cis2.{group}" for group, rules in GROUPS.items() for _ in rules
    ]
    counts = report().counts
    assert (suite.get("tests"), suite.get("failures")) == (str(len(RULES)), str(counts["fail"]))
    assert suite.get("skipped") == str(len(suite.findall("testcase/skipped"))) == str(counts["not-observed"])
    failure = next(case for case in cases if case.get("name").startswith("max-age: ")).find("failure")
    assert (
        failure.get("message")
        == "Sent: max_age=900. The application: that is 15 minutes, and must be 240 to 300 seconds."
    )
    assert failure.text.endswith("section 3.1.2.1")


@pytest.mark.parametrize("text", ["\0", "\x1b[31m", "\ud800", "\ufffe", "]]>", "<b>&amp;", "ünï 𝄞"])
def test_junit_can_be_read_whatever_an_application_sent(text: str) -> None:
    seen = {"max-age": [Evidence(Outcome.FAILED, text, text, text)]}
    made = make_report(text, [], Probed("", seen), NOW)
    suite = ElementTree.fromstring(to_junit(made).encode("utf-8")).find("testsuite")
    assert suite.get("failures") == "1"


def test_evidence_goes_over_the_wire_and_back() -> None:
    sent = Evidence(Outcome.PASSED, "a", "b", "c", "d")
    assert Evidence.read(json.loads(json.dumps(sent.as_json()))) == sent


@pytest.mark.parametrize(
    "fields",
    [
        None, [], "x", 1, {}, {"outcome": "good", "sent": "", "did": "", "probe": "", "sign_in": ""},
        {"outcome": "pass", "sent": 1, "did": "", "probe": "", "sign_in": ""},
        {"outcome": "pass", "sent": "x" * 2001, "did": "", "probe": "", "sign_in": ""},
        {"outcome": [], "sent": "", "did": "", "probe": "", "sign_in": ""},
    ],
)  # fmt: skip
def test_what_is_no_evidence_is_refused(fields: Any) -> None:
    with pytest.raises(DataError):
        Evidence.read(fields)
