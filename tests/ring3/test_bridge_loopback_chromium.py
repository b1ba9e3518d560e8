"""The circle: an application's page signs in over HTTP on this PC, with card, agent and broker behind it.

A real Chromium is told that the page's port belongs to the internet, so that it is as wary as of a real application's,
and asks or forbids as Local Network Access has it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.agent_socket import SocketServer
from support.bridge import BridgeProgram, write_settings
from support.browser import Browser, own_chromium
from support.machine import need, unavailable, wait_until
from support.servers import own_port
from support.spine import Spine
from support.ticket_socket import LiveAgent

from agent import State
from bridge.serve import policy
from bridge.settings import Settings
from spine_stub.clinic.service import Application

POLICIES = Path("/etc/chromium/policies/managed")


@dataclass(frozen=True)
class Desk:
    """An application, and the place where its page looks for the bridge."""

    clinic: Application
    folder: Path
    bridge_port: int

    @contextlib.contextmanager
    def bridge(self, origin: str) -> Iterator[BridgeProgram]:
        """Run the bridge for a page of this origin."""
        write_settings(self.folder, f'origins = ["{origin}"]')
        running = BridgeProgram({**os.environ, "XDG_CONFIG_HOME": str(self.folder)}, self.bridge_port)
        try:
            yield running
        finally:
            running.end()

    @contextlib.contextmanager
    def browser(self, profile: Path) -> Iterator[Browser]:
        """Run a Chromium that takes the application for one on the internet."""
        space = f"--ip-address-space-overrides={self.clinic.url.removeprefix('https://')}=public"
        with own_chromium(profile, "--ignore-certificate-errors", space) as browser:
            yield browser

    def sign_in(self, browser: Browser) -> None:
        browser.open(self.clinic.url)
        browser.find("#signed-out .go").click()


@pytest.fixture
def desk(spine: Spine, tmp_path: Path) -> Iterator[Desk]:
    need("chromium", "chromedriver", "selenium")
    with own_port() as port:
        pass  # the bridge takes it
    with Application(spine.url, spine.data, bridge_port=port, clock=spine.clock) as clinic:
        yield Desk(clinic, tmp_path / "config", port)


@contextlib.contextmanager
def allowed(origin: str) -> Iterator[None]:
    """Have the policy that `python3 -m bridge serve --policy` prints, where Chromium reads it."""
    if os.geteuid():
        unavailable("only root can write Chromium's policies")
    POLICIES.mkdir(parents=True, exist_ok=True)
    file = POLICIES / f"lanyard-test-{os.getpid()}.json"
    file.write_text(policy(Settings(origins=frozenset({origin}))))
    try:
        yield
    finally:
        file.unlink()


def test_the_page_signs_in_by_the_card_and_is_refused_once_it_is_out(
    desk: Desk, live: LiveAgent, tmp_path: Path
) -> None:
    url = desk.clinic.url
    with desk.bridge(url) as bridge, allowed(url), desk.browser(tmp_path / "profile") as browser:
        desk.sign_in(browser)
        wait_until(lambda: live.asked, what="the agent asks the person")
        assert url in str(live.asked)
        assert "Asking your smartcard agent" in browser.text()
        live.insert("one-role")
        live.types()
        browser.wait_for_text("Hello, Bryn Hughes")
        assert "Nurse Access Role" in browser.text("main")
        ticket = live.conductor.signed_in().session.ticket
        live.pull()
        live.sees(State.WAITING)
        browser.find("a[href='/tasks/records']").click()
        browser.wait_for_text("Your session has ended")
        assert ticket not in json.dumps(browser.driver.get_cookies()) + browser.driver.page_source
        assert ticket not in bridge.end()


def test_a_person_who_is_signed_in_already_is_not_asked_again(desk: Desk, live: LiveAgent, tmp_path: Path) -> None:
    url = desk.clinic.url
    live.insert("one-role")
    live.types()
    live.sees(State.SIGNED_IN)
    with desk.bridge(url), allowed(url), desk.browser(tmp_path / "profile") as browser:
        desk.sign_in(browser)
        browser.wait_for_text("Hello, Bryn Hughes")
    assert not live.shown


def test_without_it_the_page_says_that_the_browser_forbids(
    desk: Desk, socket_server: SocketServer, tmp_path: Path
) -> None:
    """A Chromium without a window asks nobody, and so forbids."""
    with desk.bridge(desk.clinic.url), desk.browser(tmp_path / "profile") as browser:
        desk.sign_in(browser)
        browser.wait_for_text("This browser keeps pages away", "#forbidden")
    assert not socket_server.asked


def test_a_page_that_is_not_listed_says_so(desk: Desk, socket_server: SocketServer, tmp_path: Path) -> None:
    url = desk.clinic.url
    with desk.bridge("https://app.example"), allowed(url), desk.browser(tmp_path / "profile") as browser:
        desk.sign_in(browser)
        browser.wait_for_text("does not serve this page", "#not-listed")
        assert url in browser.text("#not-listed")
    assert not socket_server.asked


def test_a_bridge_that_does_not_run_is_said(desk: Desk, tmp_path: Path) -> None:
    with allowed(desk.clinic.url), desk.browser(tmp_path / "profile") as browser:
        desk.sign_in(browser)
        browser.wait_for_text("cannot find your smartcard agent", "#no-bridge")
