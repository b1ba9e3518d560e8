"""The report as JUnit XML, which every CI system reads: a rule is a test case."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from .evidence import Evidence, Outcome
from .report import Finding, Report

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold (XML 1.0, section 2.2); an application's parameters may hold it."""


def to_junit(report: Report) -> str:
    """One suite: failures with what was sent and done, and what was not observed as skipped."""
    counts = report.counts
    suite = ET.Element(
        "testsuite",
        name=_text(f"CIS2 conformance of {report.client_id}"),
        tests=str(len(report.findings)),
        failures=str(counts[Outcome.FAILED.value]),
        skipped=str(counts[Outcome.NOT_OBSERVED.value]),
        errors="0",
        timestamp=report.made.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    for group, findings in report.groups.items():
        for finding in findings:
            _add_case(suite, group, finding)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, group: str, finding: Finding) -> None:
    rule = finding.rule
    case = ET.SubElement(suite, "testcase", classname=f"cis2.{group}", name=f"{rule.name}: {rule.says}")
    if finding.outcome is Outcome.FAILED:
        failures = [each for each, _ in finding.evidence if each.outcome is Outcome.FAILED]
        failure = ET.SubElement(case, "failure", message=_text(_line(failures[0])), type=rule.name)
        failure.text = _text("\n".join([*map(_line, failures), f"Guidance: {rule.guidance}"]))
    elif finding.outcome is Outcome.NOT_OBSERVED:
        ET.SubElement(case, "skipped", message=_text(f"not observed. {finding.note}".strip()))


def _line(evidence: Evidence) -> str:
    return f"Sent: {evidence.sent}. The application: {evidence.did}."


def _text(words: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", words)
