"""The whole circle: the clinical application, Chromium with the extension, the agent, a virtual card, the broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import Browser
from support.extension import chromium_with_extension, install_host, open_options
from support.machine import need, wait_until
from support.native_host import allow
from support.servers import own_port
from support.spine import Spine
from support.ticket_socket import LiveAgent

from agent import State
from spine_stub.clinic.service import Application


@pytest.fixture
def clinic(spine: Spine) -> Iterator[Application]:
    """Yield it over http, which Chromium takes on loopback; no bridge listens at the port where its page looks."""
    need("chromium", "chromedriver", "selenium")
    with own_port() as port, Application(spine.url, spine.data, tls=False, bridge_port=port, clock=spine.clock) as it:
        yield it


@pytest.fixture
def page(clinic: Application, live: LiveAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """Yield a Chromium with the extension on the application's first page."""
    for name, value in allow(tmp_path / "config", clinic.url).items():
        monkeypatch.setenv(name, value)
    install_host(tmp_path / "profile", tmp_path)
    with chromium_with_extension(tmp_path / "profile") as browser:
        open_options(browser)
        browser.open(clinic.url)
        assert browser.run("return 'nhsAuth' in window")
        yield browser


def test_sign_in_work_and_card_out(page: Browser, live: LiveAgent, clinic: Application) -> None:
    page.find("#signed-out .go").click()
    assert live.asks().origin == clinic.url
    live.signs_in("one-role")
    page.wait_for_text("Hello, Bryn Hughes")
    assert "Nurse Access Role" in page.text("main")
    live.pull()
    live.sees(State.WAITING)
    wait_until(lambda: not live.conductor.attempt, what="the agent has logged out")
    page.open(f"{clinic.url}/tasks/records")
    page.wait_for_text("Your session has ended")


def test_stopping_takes_the_question_away(page: Browser, live: LiveAgent, clinic: Application) -> None:
    page.find("#signed-out .go").click()
    live.asks()
    page.open("about:blank")
    wait_until(lambda: live.asked is None, what="no question once the page is gone")
