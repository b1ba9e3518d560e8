"""The probe as a program: what it makes of its options, what it says and writes, and its exit code."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from ....config import is_loopback
from ....errors import DataError
from ....folder import ROOT
from ..evidence import Outcome
from .browser import Browser, Places, ProbeError
from .prober import Prober
from .sign_in import Application
from .stub_api import StubApi

AGREEMENT = "/.well-known/lanyard-probe"
"""The file by which a host that is not this machine agrees to be probed: the client's id is in it."""
EXIT_FAILED, EXIT_NOT_PROBED = 1, 2


def run(options: argparse.Namespace) -> int:
    """Probe, write what was asked for, say what is wrong; returns the exit code. Raises DataError."""
    try:
        stub, application = _stub(options), _application(options)
        prober = Prober(stub, application, options.person, options.role, _say)
        with _within(options.limit):
            prober.run()
        report = json.loads(stub.report())
        for path, form in ((options.junit, "junit"), (options.json, "json")):
            if path:
                path.write_text(stub.report(form), "utf-8")
    except (ProbeError, OSError) as exc:
        raise DataError(str(exc)) from exc
    address = f"{options.url.rstrip('/')}/stub/cis2/report/{quote(options.client, safe='')}"
    sys.stdout.write(summary(report, address))
    return EXIT_NOT_PROBED if prober.problem else EXIT_FAILED if report["counts"]["fail"] else 0


def summary(report: Mapping[str, Any], address: str) -> str:
    """What is wrong, in lines for people."""
    counts, lines = report["counts"], list[str]()
    for rule in report["rules"]:
        failed = [each for each in rule["evidence"] if each["outcome"] == Outcome.FAILED.value]
        if failed:
            lines += [f"FAIL {rule['name']}: {rule['says']}"]
            lines += [f"     {each['sent']}: {each['did']}" for each in failed]
            lines += [f"     {rule['guidance']}", ""]
    broken = "1 rule broken" if counts["fail"] == 1 else f"{counts['fail']} rules broken"
    of_each = f"{broken}, {counts['pass']} kept, {counts['not-observed']} not observed"
    problem = [report["problem"], ""] if report["problem"] else []
    return "\n".join([*lines, *problem, f"{of_each}: {address}", ""])


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _stub(options: argparse.Namespace) -> StubApi:
    ca_file = options.data / ROOT
    trust = Places(authorities=[ca_file] if ca_file.exists() else []).trust
    token = options.control_token.read_text("ascii").strip() if options.control_token else ""
    return StubApi(options.url, options.client, trust, token)


def _application(options: argparse.Namespace) -> Application:
    ca_file = options.data / ROOT
    places = Places(options.allow_host, [*options.ca, *([ca_file] if ca_file.exists() else [])])
    start = options.start or options.protected
    for url in {options.protected, start}:
        places.check(url)
        check_agreement(places, url, options.client)
    if not options.signed_in.strip():
        raise ProbeError("--signed-in must be a text that can be looked for")
    return Application(options.protected, options.signed_in, start, options.sign_in, places)


def check_agreement(places: Places, url: str, client_id: str) -> None:
    """Raises ProbeError for another host that does not say that it may be probed."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        return
    agreement = f"{parts.scheme}://{parts.netloc}{AGREEMENT}"
    page = Browser(places).get(agreement, leave=False)
    if page.status != 200 or client_id not in page.text.split():
        raise ProbeError(f"{parts.hostname} does not agree to be probed: {agreement} must have the line {client_id}")


class OutOfTimeError(Exception):
    """The whole probe took too long."""


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raises ProbeError when the time is up, whatever is being waited for; ends in order when it is told to end."""
    handlers = {signal.SIGALRM: _out_of_time, signal.SIGTERM: _terminated}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1))
    try:
        yield
    except OutOfTimeError as exc:
        raise ProbeError(f"the probe took over {seconds} seconds and gave up") from exc
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        for number, handler in before.items():
            signal.signal(number, handler)


def _out_of_time(*_: object) -> NoReturn:
    raise OutOfTimeError


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
