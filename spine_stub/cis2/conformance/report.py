"""The report on one application: every rule, what is known of it, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..journal import Step
from .evidence import Evidence, Outcome
from .rules import GROUPS, Rule

_MOST_SHOWN = 4
_TO_PROBE = "Probe the application: python3 -m spine_stub probe."
_TO_SIGN_IN = "Nobody signed in to the application yet."


@dataclass(frozen=True)
class Probed:
    """What active probes saw of an application."""

    problem: str = ""
    """Why they could not be made: the honest sign-in did not succeed."""
    evidence: Mapping[str, Sequence[Evidence]] | None = None
    """By rule."""


@dataclass(frozen=True)
class Finding:
    """What is known of one rule."""

    rule: Rule
    outcome: Outcome
    evidence: Sequence[tuple[Evidence, int]]
    """What was seen, and how often; what is wrong first."""
    note: str = ""
    """What to do to see more, where nothing is known."""

    def as_json(self) -> Mapping[str, Any]:
        return {
            "name": self.rule.name,
            "says": self.rule.says,
            "guidance": self.rule.guidance,
            "outcome": self.outcome.value,
            "note": self.note,
            "evidence": [{**evidence.as_json(), "times": times} for evidence, times in self.evidence],
        }


@dataclass(frozen=True)
class Report:
    """What is known of one application."""

    client_id: str
    made: datetime
    sign_ins: int
    problem: str
    to_probe: str
    """What to do to see more, where the application was not probed."""
    groups: Mapping[str, Sequence[Finding]]

    @property
    def findings(self) -> list[Finding]:
        return [finding for findings in self.groups.values() for finding in findings]

    def of(self, outcome: Outcome) -> list[Finding]:
        """The findings with this outcome."""
        return [finding for finding in self.findings if finding.outcome is outcome]

    @property
    def failures(self) -> list[str]:
        """The names of the rules that are broken."""
        return [finding.rule.name for finding in self.of(Outcome.FAILED)]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many rules have each outcome."""
        return {outcome.value: len(self.of(outcome)) for outcome in Outcome}

    def as_json(self) -> Mapping[str, Any]:
        return {
            "client": self.client_id,
            "made": self.made.isoformat(),
            "sign_ins": self.sign_ins,
            "problem": self.problem,
            "counts": self.counts,
            "rules": [
                {"group": group, **finding.as_json()} for group, found in self.groups.items() for finding in found
            ],
        }


def make_report(client_id: str, steps: Sequence[Step], probed: Probed, now: datetime) -> Report:
    """Judge an application by its steps, oldest first, and by what probes saw."""
    honest = _without_faults(steps)
    groups = {group: [find(rule, honest, probed) for rule in rules] for group, rules in GROUPS.items()}
    sign_ins = len({step.sign_in for step in steps if step.endpoint == "access_token" and not step.refused})
    to_probe = _TO_PROBE if probed.evidence is None and steps else ""
    return Report(client_id, now, sign_ins, probed.problem, to_probe, groups)


def _without_faults(steps: Sequence[Step]) -> list[Step]:
    """The steps of sign-ins that met no fault: an application that stops at one does right."""
    faulted = {step.sign_in for step in steps if step.fault and step.endpoint != "logout"}
    return [step for step in steps if step.sign_in not in faulted]


def find(rule: Rule, steps: Sequence[Step], probed: Probed) -> Finding:
    """Judge one rule."""
    by_probes = (probed.evidence or {}).get(rule.name, ())
    seen = [*rule.observe(steps), *by_probes]
    is_complete = {probe.name for probe in rule.probes} <= {each.probe for each in by_probes}
    outcome = _outcome([each.outcome for each in seen], is_complete)
    note = _note(rule, steps, probed) if outcome is Outcome.NOT_OBSERVED else ""
    return Finding(rule, outcome, _counted(seen), note)


def _outcome(seen: Sequence[Outcome], is_complete: bool) -> Outcome:
    if Outcome.FAILED in seen:
        return Outcome.FAILED
    return Outcome.PASSED if seen and is_complete and Outcome.NOT_OBSERVED not in seen else Outcome.NOT_OBSERVED


def _note(rule: Rule, steps: Sequence[Step], probed: Probed) -> str:
    if not steps:
        return _TO_SIGN_IN
    if rule.probes and probed.problem:
        return probed.problem
    if rule.probes and probed.evidence is None:
        return _TO_PROBE
    return rule.wanting


def _counted(seen: Iterable[Evidence]) -> list[tuple[Evidence, int]]:
    """What was seen, once each, the failures first."""
    times: dict[tuple[str, ...], tuple[Evidence, int]] = {}
    for each in seen:
        key = (each.outcome.value, each.sent, each.did, each.probe)
        first, count = times.get(key, (each, 0))
        times[key] = (first, count + 1)
    order = list(Outcome)
    return sorted(times.values(), key=lambda pair: order.index(pair[0].outcome))[:_MOST_SHOWN]
