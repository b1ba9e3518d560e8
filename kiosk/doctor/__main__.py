"""`agent.py doctor` goes on here, with the same arguments: what is found, for people or as JSON, and as a bundle.

Without that command among them, it is meant: python3 -m kiosk.doctor --json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

import agent
from agent import AgentError, UsageError

from .bundle import write_bundle
from .examine import examine, exit_code
from .findings import Finding, Verdict
from .surroundings import Surroundings

COMMAND = "doctor"
WORDS = {Verdict.GOOD: "good      ", Verdict.DOUBTFUL: "DOUBTFUL  ", Verdict.BAD: "BAD       "}


def main() -> int:
    """Do what the agent's arguments say. Returns the agent's exit code for the first thing that is bad."""
    code = 0
    if COMMAND not in sys.argv:
        sys.argv.insert(1, COMMAND)

    def run(options: argparse.Namespace) -> None:
        nonlocal code
        code = diagnose(options)

    return agent.main(run) or code


def diagnose(options: argparse.Namespace) -> int:
    """Print what is found, and write the bundle where one is asked for. Raises UsageError."""
    if options.command != COMMAND:
        raise UsageError("This is `doctor` alone.", "Use: python3 agent.py doctor")
    around = surroundings(options)
    findings = list(examine(around))
    if options.json:
        print(json.dumps([finding.as_json() for finding in findings], indent=2, ensure_ascii=False))
    else:
        print("\n".join(in_words(finding, around) for finding in findings))
    if options.bundle:
        write_bundle(options.bundle, findings, around)
        print(f"For your service desk: {options.bundle}", file=sys.stderr)
    return exit_code(findings)


def surroundings(options: argparse.Namespace) -> Surroundings:
    """Return this PC with the settings in force; with the usual ones where these cannot be read."""
    try:
        return Surroundings(agent.load_settings(os.environ, vars(options)))
    except UsageError as error:
        return Surroundings(agent.Settings(), mistake=error)


def in_words(finding: Finding, around: Surroundings) -> str:
    """Return a finding as a person reads it, in one line or two."""
    line = f"{WORDS[finding.verdict]}{finding.subject}: {finding.says}"
    step = finding.next_step
    return f"{line}\n          {step} {_beside(step, around)}".rstrip() if step else line


def _beside(step: str, around: Surroundings) -> str:
    try:
        return around.settings.contacts().beside(step)
    except AgentError:  # the settings are wrong, which a line of their own says
        return ""


if __name__ == "__main__":
    sys.exit(main())
