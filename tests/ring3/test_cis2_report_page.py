"""The conformance report in a real Chromium: light and dark, phone and projector, with all that it can say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import Browser
from support.machine import need
from support.readable import look

from spine_stub import SpineStub
from spine_stub.cis2.conformance.evidence import Evidence, Outcome
from spine_stub.cis2.conformance.report import Probed
from spine_stub.cis2.conformance.rules import RULES

CLIENT = "example-application"
REQUEST = {"state": "s" * 300, "max_age": "300000", "scope": "openid " + "x" * 200, "redirect_uri": "http://a.example"}


@pytest.fixture(scope="module")
def stub(demo_data: Path) -> Iterator[SpineStub]:
    need("chromium", "chromedriver", "selenium")
    with SpineStub(demo_data, tls=False) as spine:
        yield spine


def reported(stub: SpineStub, problem: str = "") -> str:
    """Give the application a report with every outcome in it; its address."""
    provider = stub._stub.cis2
    assert provider is not None
    provider.journal.add("authorize", client_id=CLIENT, sign_in="s", sent=REQUEST)
    outcomes = list(Outcome)
    seen = {
        rule.name: [Evidence(outcomes[number % 3], probe.sent, "it did <b>so</b>", probe.name) for probe in rule.probes]
        for number, rule in enumerate(RULES)
    }
    provider.probed[CLIENT] = Probed(problem, {} if problem else seen)
    return f"{stub.url}/stub/cis2/report/{CLIENT}"


@pytest.mark.parametrize("problem", ["", "An honest sign-in does not show “Patients” at " + "http://127.0.0.1/" * 20])
def test_a_report_is_readable_everywhere(stub: SpineStub, browser: Browser, tmp_path: Path, problem: str) -> None:
    assert look(browser, reported(stub, problem), tmp_path) == []


def test_what_an_application_sent_is_text(stub: SpineStub, browser: Browser) -> None:
    browser.open(reported(stub))
    assert "it did <b>so</b>" in browser.text("main")


def test_a_square_leads_to_its_rule(stub: SpineStub, browser: Browser) -> None:
    browser.open(reported(stub))
    for link in browser.all(".wall a"):
        target = link.get_attribute("href").partition("#")[2]
        assert len(browser.all(f"[id='{target}']")) == 1
