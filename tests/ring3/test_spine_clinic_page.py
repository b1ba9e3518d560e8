"""The clinical application in a real Chromium: every state of its page, light and dark, large and small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser
from support.machine import need
from support.servers import own_port
from support.spine import Spine

from spine_stub.clinic.service import Application

SIZES = {"phone": (360, 740), "small": (1024, 768), "projector": (1920, 1080)}
ROLE = "555100000201"
EXTENSION = "window.nhsAuth = { getToken: (callback) => callback(...%s) };"
NEVER = "window.nhsAuth = { getToken: () => {} };"


@pytest.fixture
def clinic(spine: Spine) -> Iterator[Application]:
    """Yield it over http, which Chromium takes on loopback; no bridge listens at the port where its page looks."""
    need("chromium", "chromedriver", "selenium")
    with own_port() as port, Application(spine.url, spine.data, tls=False, bridge_port=port, clock=spine.clock) as it:
        yield it


class Page:
    """The application in a browser that has, or has not, the agent's extension."""

    def __init__(self, browser: Browser, clinic: Application, pictures: Path) -> None:
        self.browser, self.url, self.pictures = browser, clinic.url, pictures
        self.scripts: list[str] = []

    def extension(self, *answers: Any, script: str = "") -> None:
        """Have window.nhsAuth, whose getToken calls back with these."""
        self.forget_extension()
        source = script or EXTENSION % json.dumps(answers)
        added = self.browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        self.scripts.append(added["identifier"])

    def forget_extension(self) -> None:
        for identifier in self.scripts:
            self.browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})
        self.scripts.clear()

    def open(self, path: str = "/") -> None:
        self.browser.open(self.url + path)

    def sign_in(self) -> None:
        """Open the page and press its button by keyboard."""
        self.open()
        self.browser.find("#signed-out .go").send_keys("\ue007")

    def shown(self) -> str:
        """The state that is shown."""
        return str(self.browser.run("return document.querySelector('.state:not([hidden])')?.id ?? ''"))

    def wait_for(self, state: str) -> None:
        self.browser.wait(lambda: self.shown() == state, what=f"the state {state}")

    def look(self, name: str) -> list[str]:
        """What is wrong with what is shown, light and dark, small and large; a picture is kept where something is."""
        wrong: list[str] = []
        for scheme in ("light", "dark"):
            self.browser.prefer(scheme)
            for size in SIZES:
                self.browser.resize(*SIZES[size])
                found = self.browser.wider_than_the_screen() + self.browser.low_contrast()
                wrong += [f"{scheme} {size}: {what}" for what in found]
                if found:
                    self.browser.screenshot(self.pictures / f"{name}-{scheme}-{size}.png")
        return wrong


@pytest.fixture
def page(browser: Browser, clinic: Application, tmp_path: Path) -> Iterator[Page]:
    page = Page(browser, clinic, tmp_path)
    yield page
    page.forget_extension()


def ticket(spine: Spine, card: str = "one-role") -> str:
    client, ticket = spine.login(card)
    if card == "one-role":
        client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid=ROLE)
    return ticket


def test_the_way_in_is_one_button(page: Page) -> None:
    page.open()
    assert page.shown() == "signed-out"
    assert [button.text for button in page.browser.all("button") if button.is_displayed()] == ["Sign in"]
    assert page.look("signed-out") == []
    assert page.browser.console() == []


def test_without_extension_and_bridge_the_page_says_what_to_do(page: Page) -> None:
    page.sign_in()
    page.wait_for("no-bridge")
    assert "Start the agent on this PC" in page.browser.text("#no-bridge")
    assert page.browser.focused().text == "This page cannot find your smartcard agent"
    page.browser.run("document.querySelector('details').open = true")
    assert page.look("no-bridge") == []


def test_asking_can_be_stopped(page: Page) -> None:
    page.extension(script=NEVER)
    page.sign_in()
    page.wait_for("asking")
    assert page.look("asking") == []
    page.browser.find("#asking .stop").send_keys("\ue007")
    page.wait_for("signed-out")
    assert page.browser.focused().text == "Sign in"


def test_no_ticket_is_told_in_the_agents_words(page: Page) -> None:
    page.extension({"errorCode": 300, "errorDescription": "Nobody put a card in."}, None)
    page.sign_in()
    page.wait_for("no-ticket")
    assert "Nobody put a card in." in page.browser.text("#no-ticket")
    assert page.look("no-ticket") == []


def test_a_ticket_that_the_broker_refuses_is_told(page: Page) -> None:
    page.extension(None, "no ticket at all")
    page.sign_in()
    page.wait_for("refused")
    assert page.look("refused") == []


def test_a_broker_that_is_away_is_told(page: Page, spine: Spine) -> None:
    page.extension(None, ticket(spine))
    spine.faults.once("http-503", endpoint="RoleAssertion")
    page.sign_in()
    page.wait_for("broker-away")
    assert page.look("broker-away") == []


@pytest.mark.parametrize("state", ["forbidden", "not-listed"])
def test_what_the_bridge_and_the_browser_forbid_is_readable(page: Page, state: str) -> None:
    page.open()
    page.browser.run(
        "for (const each of document.querySelectorAll('.state')) each.hidden = each.id !== arguments[0]", state
    )
    assert page.look(state) == []


def test_the_whole_way_with_the_extension(page: Page, spine: Spine) -> None:
    held = ticket(spine)
    page.extension(None, held)
    page.sign_in()
    page.browser.wait_for_text("Hello, Bryn Hughes")
    assert "Nurse Access Role" in page.browser.text("main")
    assert page.look("home") == []
    page.browser.resize(1280, 900)
    page.browser.find("a[href='/tasks/records']").click()
    page.browser.wait_for_text("Maud Penhaligon")
    assert page.look("task") == []
    page.open("/tasks/referrals")
    assert "Your role does not allow this" in page.browser.text()
    assert page.look("not-allowed") == []
    spine.client().get("/login/authlogout", token=held)  # card out
    page.browser.find(".button").click()
    page.browser.wait_for_text("Your session has ended")
    assert page.look("over") == []
    page.browser.find(".button").click()
    page.browser.wait_for_text("Sign in with your smartcard")


def test_somebody_without_a_role_is_told(page: Page, spine: Spine) -> None:
    page.extension(None, ticket(spine, "no-role"))
    page.sign_in()
    page.browser.wait_for_text("You have no role")
    assert page.look("no-role") == []


def test_a_broker_that_goes_away_later_shows_nothing(page: Page, spine: Spine) -> None:
    page.extension(None, ticket(spine))
    page.sign_in()
    page.browser.wait_for_text("Hello, Bryn Hughes")
    spine.faults.once("http-503", endpoint="RoleAssertion")
    page.open("/tasks/records")
    assert "We cannot check" in page.browser.text()
    assert page.look("away") == []


def test_a_page_that_somebody_comes_back_to_says_that_it_is_over(page: Page, spine: Spine) -> None:
    held = ticket(spine)
    page.extension(None, held)
    page.sign_in()
    page.browser.wait_for_text("Hello, Bryn Hughes")
    spine.client().get("/login/authlogout", token=held)
    page.browser.run("document.dispatchEvent(new Event('visibilitychange'))")
    page.browser.wait_for_text("Your session has ended")


def test_the_ticket_is_nowhere_in_the_browser(page: Page, spine: Spine) -> None:
    held = ticket(spine)
    page.extension(None, held)
    page.sign_in()
    page.browser.wait_for_text("Hello, Bryn Hughes")
    page.forget_extension()
    page.open()
    kept = page.browser.run(
        "return [document.documentElement.outerHTML, location.href, document.cookie]"
        ".concat([history.state, localStorage, sessionStorage, performance.getEntries()].map(JSON.stringify)).join()"
    )
    assert held not in kept
    assert "visit=" not in page.browser.run("return document.cookie")
