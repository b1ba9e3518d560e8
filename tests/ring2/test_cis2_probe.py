"""The probe as a program, against a made-up application: what it finds, what it cannot see, and when it gives up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.ward_list import NotSignedIn, WardList
from flask import redirect, request, session
from support.machine import need, wait_until
from support.ward_list import CLIENT, SHOWN, probe, running

from spine_stub import SpineStub
from spine_stub.cis2.conformance.evidence import Outcome
from spine_stub.cis2.conformance.probe import prober, program
from spine_stub.cis2.conformance.probe.browser import Places, ProbeError
from spine_stub.cis2.conformance.rules import LOG_OUT, RULES

PROBED = {rule.name for rule in RULES if rule.probes}


@pytest.fixture(scope="module")
def stub(demo_data: Path) -> Iterator[SpineStub]:
    with SpineStub(demo_data) as spine:
        yield spine


@pytest.fixture
def spine(stub: SpineStub) -> Iterator[SpineStub]:
    """A stub in which the probe must leave nothing behind."""
    stub.clear()
    yield stub
    assert stub.faults.settings() == []
    assert stub._stub.cis2 is not None
    assert stub._stub.cis2.arranged.all() == []


def unseen(spine: SpineStub) -> set[str]:
    return {finding.rule.name for finding in spine.cis2.report(CLIENT).of(Outcome.NOT_OBSERVED)}


class AnyBrowser(WardList):
    """Remembers sign-ins by their state alone."""

    pending: dict[str, Any]

    def login(self) -> Any:
        reply = super().login()
        self.pending = {session["sent"]["state"]: session["sent"]}
        return reply

    def callback(self) -> Any:
        session["sent"] = self.pending.get(request.args["state"])
        return super().callback()


class BeginsAnew(WardList):
    """Sends whoever is refused to sign in again."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.app.register_error_handler(NotSignedIn, lambda _: redirect("/login"))


class LocksUp(WardList):
    """Signs nobody in any more once it has refused somebody."""

    is_locked = False

    def check_state(self, sent: Any) -> None:
        if self.is_locked:
            raise NotSignedIn("call the service desk")
        self.is_locked = True
        super().check_state(sent)
        self.is_locked = False


class SparesItsProvider(WardList):
    """Asks for keys only when one was missing so many times before."""

    misses = 8

    def signing_key(self, kid: str) -> Any:
        if self.keys["keys"] and self.keys.get_key(kid) is None:
            self.misses -= 1
            if self.misses:
                raise NotSignedIn("that key is not known")
        return super().signing_key(kid)


def test_a_state_that_is_bound_to_no_browser_is_seen(spine: SpineStub) -> None:
    with running(spine, AnyBrowser) as address:
        code, said = probe(spine, address)
    assert (code, spine.cis2.report(CLIENT).failures) == (1, ["state-bound"])
    assert "FAIL state-bound: A sign-in that another browser began is refused" in said
    assert f"{spine.url}/stub/cis2/report/{CLIENT}" in said


@pytest.mark.long
def test_an_application_that_begins_anew_is_no_worse(spine: SpineStub) -> None:
    with running(spine, BeginsAnew) as address:
        code, said = probe(spine, address)
    assert (code, spine.cis2.report(CLIENT).failures, unseen(spine)) == (0, [], set()), said


def in_process(spine: SpineStub, address: str) -> list[str]:
    """Probe by the kit, without starting a program; the rules that are broken."""
    report = spine.cis2.probe(CLIENT, address, SHOWN)
    assert report.problem == ""
    return report.failures


@pytest.mark.long
def test_an_application_may_take_a_minute_to_look_for_new_keys(
    spine: SpineStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "_PAUSE", 0.01)
    with running(spine, SparesItsProvider) as address:
        assert in_process(spine, address) == []


@pytest.mark.long
def test_an_application_that_never_looks_for_new_keys_is_seen(
    spine: SpineStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "KEYS_SECONDS", 0)
    with running(spine, SparesItsProvider) as address:
        assert in_process(spine, address) == ["key-rotation"]


def test_a_command_of_the_user_signs_in(spine: SpineStub, tmp_path: Path) -> None:
    need("curl")
    with running(spine) as address:
        script = tmp_path / "sign-in.sh"
        jar = '--cookie-jar "$COOKIE_JAR" --cookie "$COOKIE_JAR"'
        script.write_text(f'curl -sS -L {jar} --cacert {spine.ca_file} "${{PROTECTED_URL}}/login" -o /dev/null\n')
        code, said = probe(spine, address, "--sign-in", f"sh '{script}'")
    assert (code, spine.cis2.report(CLIENT).failures, unseen(spine)) == (0, [], {"state-bound"}), said


def test_an_application_that_takes_no_logout_tokens_is_not_praised_for_that(spine: SpineStub) -> None:
    with running(spine, backchannel_logout_uri="http://127.0.0.1:9/nobody") as address:
        code, said = probe(spine, address)
    assert (code, spine.cis2.report(CLIENT).failures) == (1, ["logout-ends"])
    assert "does not answer" in said
    assert unseen(spine) == {rule.name for rule in LOG_OUT} - {"logout-ends"}


def test_an_application_that_refuses_everybody_is_not_praised_for_that(spine: SpineStub) -> None:
    with running(spine, LocksUp) as address:
        code, said = probe(spine, address)
    assert (code, spine.cis2.report(CLIENT).failures, unseen(spine)) == (0, [], PROBED), said
    assert "an honest sign-in did not succeed then" in said


def test_an_application_without_a_logout_address_is_not_judged(spine: SpineStub) -> None:
    with running(spine, backchannel_logout_uri="") as address:
        code, _ = probe(spine, address)
    assert (code, unseen(spine)) == (0, {rule.name for rule in LOG_OUT})


@pytest.mark.parametrize(
    ("shown", "more", "problem"),
    [
        ("No such text", (), "An honest sign-in does not show “No such text”"),
        ("Not Found", ("--protected", "ADDRESS/nowhere"), "Somebody who is not signed in sees “Not Found”"),
        (SHOWN, ("--sign-in", "sh -c 'echo why >&2; exit 4'"), "COMMAND ended with 4: why"),
        (SHOWN, ("--sign-in", "/no/such/program"), "COMMAND cannot be started"),
        (SHOWN, ("--person", "555000000003"), "An honest sign-in does not show"),
    ],
)
def test_without_an_honest_sign_in_nothing_is_observed(
    spine: SpineStub, shown: str, more: tuple[str, ...], problem: str
) -> None:
    with running(spine) as address:
        more = tuple(each.replace("ADDRESS", address) for each in more)
        code, said = probe(spine, address, *more, shown=shown)
    assert code == 2, said
    assert problem in said
    report = spine.cis2.report(CLIENT)
    assert (problem in report.problem, unseen(spine) >= PROBED, report.failures) == (True, True, [])


def test_an_application_that_is_away_is_said(spine: SpineStub) -> None:
    with running(spine) as address:
        pass
    code, said = probe(spine, address)
    assert code == 2
    assert f"{address} does not answer" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            ("--protected", "http://ward.example/"),
            "ward.example is not this machine, and --allow-host does not name it",
        ),
        (("--protected", "ward list"), "is no http or https address"),
        (("--start", "file:///etc/passwd"), "is no http or https address"),
        (("--url", "https://127.0.0.1:9"), "the stub at https://127.0.0.1:9 does not answer"),
        (("--person", "1"), "nobody who may sign in has the uid"),
        (("--role", "R9999"), "R9999"),
        (("--signed-in", " "), "must be a text"),
        (("--ca", "/no/such/file"), "/no/such/file holds no certificates"),
        (("--limit", "soon"), "invalid int value"),
        (("--frequency", "1"), "unrecognized arguments"),
    ],
)
def test_a_mistake_is_one_sentence(spine: SpineStub, more: tuple[str, ...], words: str) -> None:
    with running(spine) as address:
        code, said = probe(spine, address, *more)
    assert (code, words in said, "Traceback" in said) == (2, True, False), said


def test_a_client_that_is_not_registered_is_said(spine: SpineStub) -> None:
    code, said = probe(spine, "http://127.0.0.1:9/")
    assert code == 2
    assert f"there is no client '{CLIENT}'" in said


def test_it_gives_up_when_its_time_is_over(spine: SpineStub) -> None:
    with running(spine) as address:
        code, said = probe(spine, address, "--sign-in", "sleep 600", "--limit", "1")
    assert (code, "the probe took over 1 seconds and gave up" in said) == (2, True), said


def test_it_leaves_nothing_behind_when_it_is_ended(spine: SpineStub) -> None:
    with running(spine) as address:
        options = ["--url", spine.url, "--protected", address, "--signed-in", SHOWN, "--sign-in", "sleep 600"]
        command = [sys.executable, "-m", "spine_stub", "--data", str(spine.data), "probe", CLIENT, *options]
        program = subprocess.Popen(command)
        wait_until(lambda: spine._stub.cis2 and spine._stub.cis2.arranged.all())
        program.terminate()
        assert program.wait(60) == 143


def test_another_host_must_agree(monkeypatch: pytest.MonkeyPatch, spine: SpineStub) -> None:
    monkeypatch.setattr(program, "is_loopback", lambda _: False)
    with running(spine) as address, pytest.raises(ProbeError, match="does not agree to be probed"):
        program.check_agreement(Places(), address, CLIENT)
    with running(spine, Agrees) as address:
        program.check_agreement(Places(), f"{address}/anywhere", CLIENT)
        with pytest.raises(ProbeError, match="must have the line another"):
            program.check_agreement(Places(), address, "another")


class Agrees(WardList):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.app.add_url_rule(program.AGREEMENT, "agreement", lambda: f"{CLIENT}\n")
