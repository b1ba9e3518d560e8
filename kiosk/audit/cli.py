"""The command `audit`: records who is signed in, for as long as it runs."""

from __future__ import annotations

import argparse
import select
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..agent_socket import Watch
from ..errors import CannotWrite, KioskError
from ..settings import SYSTEM_FILE, Settings, load, load_file
from .outputs import JOURNAL, Journal, Output, Patient, RotatedFile
from .record import AGENT_LOST, ENDED, Record, line

AGAIN_SECONDS = 1.0

_DESCRIPTION = f"""\
Records who is signed in at this PC: a line of JSON for each sign-in, lock, resumption, change of role and end, with

  time, event, reason (why it was locked or ended), session, uid, name, role, role_id, org_code, org_name, reader,
  sequence, seconds (how long the person waited after the passcode; of an end or a lock: how long the session had been)

and never the ticket. Where events were missed it says how many (events_missed), and when the agent was not there
(agent_lost) or this command was not (audit_ended, audit_watching).

The lines go to journald, as lanyard-audit:

  journalctl -t lanyard-audit -o cat

or to a file, where {SYSTEM_FILE} names one; it is rotated, and nine older ones are kept:

  [locked]
  audit_file = "/var/log/lanyard/audit.jsonl"
  audit_megabytes = 10
"""


def add_to(commands: Any) -> None:
    """Add the command to an argparse parser's subcommands."""
    parser = commands.add_parser(
        "audit",
        help="record who is signed in, when, and why it ended",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="read this file in place of the usual two")
    parser.set_defaults(do=run)


def run(options: argparse.Namespace) -> None:
    """Record until a signal comes. Raises SettingsError, CannotWrite."""
    settings = load_file(options.config) if options.config else load()
    output = Patient(open_output(settings), now)
    try:
        record_all(output)
    finally:
        output.write(line(now(), ENDED))


def open_output(settings: Settings) -> Output:
    """Return the configured place. Raises CannotWrite."""
    if settings.audit_file:
        return RotatedFile(Path(settings.audit_file), settings.audit_megabytes)
    if not JOURNAL.exists():
        raise CannotWrite(f"journald is not there ({JOURNAL}): name an audit_file in {SYSTEM_FILE}.")
    return Journal()


def now() -> datetime:
    """Return the time of day, in UTC."""
    return datetime.now(UTC)


def record_all(output: Patient) -> None:
    """Follow the agent, and where it ends its successor, for ever."""
    was_there, said = False, ""
    while True:
        try:
            with Watch() as watch:
                record = Record(watch.first(), now())
                output.write(record.beginning)
                was_there = True
                print("audit: connected to the agent", file=sys.stderr, flush=True)
                follow(watch, record, output)
        except KioskError as error:
            problem = str(error)
        if was_there:
            output.write(line(now(), AGENT_LOST, reason=problem))
        output.try_again()
        if problem != said or was_there:
            print(f"audit: {problem}", file=sys.stderr, flush=True)
        was_there, said = False, problem
        time.sleep(AGAIN_SECONDS)


def follow(watch: Watch, record: Record, output: Patient) -> None:
    """Record what comes, until the agent goes. Raises a KioskError then."""
    said = ""
    while True:
        select.select([watch], [], [], AGAIN_SECONDS if output.problem else None)
        for event in watch.events():
            for each in record.lines(event, now()):
                output.write(each)
        output.try_again()
        if output.problem not in ("", said):
            print(f"audit: {output.problem} It is tried again.", file=sys.stderr, flush=True)
        said = output.problem
