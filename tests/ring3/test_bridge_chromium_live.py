"""A real Chromium, the extension, the native host and the real agent, with a virtual card and a broker behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import Browser
from support.extension import Pages, chromium_with_extension, install_host, open_options
from support.machine import wait_until
from support.native_host import allow
from support.pages import Page, files_of
from support.source import ROOT
from support.ticket_socket import LiveAgent

from agent import State

START = """
window.got = null;
window.nhsAuth.getToken((err, value) => { window.got = { err, value }; });
"""
EXAMPLE = dict(files_of(Page.read(ROOT / "docs" / "applications.md")))["ward.html"]
QUIETLY = "const done = arguments[0]; window.nhsAuth.getTokenNoAuth((err, value) => done({err, value}))"


@pytest.fixture
def page(live: LiveAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    page = Pages()
    for name, value in allow(tmp_path / "config", page.origin).items():
        monkeypatch.setenv(name, value)
    install_host(tmp_path / "profile", tmp_path)
    yield page
    page.close()


@pytest.fixture
def browser(page: Pages, tmp_path: Path) -> Iterator[Browser]:
    with chromium_with_extension(tmp_path / "profile") as started:
        open_options(started)
        started.open(page.origin)
        yield started


def test_a_page_signs_a_person_in_and_loses_the_ticket_with_the_card(
    live: LiveAgent, page: Pages, browser: Browser
) -> None:
    browser.run(START)
    assert live.asks().origin == page.origin
    ticket = live.signs_in("three-roles")
    assert wait_until(lambda: browser.run("return window.got")) == {"err": None, "value": ticket}
    assert browser.run_async(QUIETLY) == {"err": None, "value": ticket}
    live.pull()
    live.sees(State.WAITING)
    assert browser.run_async(QUIETLY)["err"]["errorCode"] == 0x80100009
    browser.run(START)
    live.asks()
    browser.open("about:blank")
    wait_until(lambda: live.asked is None, what="no question once the page is gone")


def test_the_page_of_the_documentation(live: LiveAgent, page: Pages, browser: Browser) -> None:
    page.page = EXAMPLE
    browser.open(page.origin)
    browser.find("button").click()
    live.asks().answer(False)
    browser.wait(lambda: browser.text("#who") not in ("", "You are not signed in."))
    assert page.posted == []
    browser.find("button").click()
    live.asks()
    ticket = live.signs_in()
    browser.wait_for_text("Welcome.", "#who")
    assert json.loads(page.posted[0]) == {"ticket": ticket}
