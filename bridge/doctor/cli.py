"""The command `doctor`: what is broken between pages and agent, for people or as JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .findings import Finding

_DESCRIPTION = """\
Looks at each link between a web page and the agent, starts the program that browsers start, and says what is broken and
what mends it. Nothing is changed. Exit code 1: something is broken.
"""


def add_to(commands: Any) -> None:
    """Add the command to an argparse parser's subcommands."""
    parser = commands.add_parser("doctor", help="say which link is broken, and its cure", description=_DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="a list of objects: subject, fault, says, cure")
    parser.set_defaults(do=_do)


def _do(options: argparse.Namespace) -> int:
    from .examine import examine
    from .surroundings import Surroundings

    findings = list(examine(Surroundings()))
    if options.json:
        print(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        print("\n".join(map(in_words, findings)))
    return int(any(finding.fault for finding in findings))


def in_words(finding: Finding) -> str:
    """Return a finding as a person reads it, in one line or two."""
    if not finding.fault:
        return f"ok      {finding.subject}: {finding.says}"
    return f"BROKEN  {finding.subject}: {finding.says}\n        {finding.fault.value}"
