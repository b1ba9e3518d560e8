"""An application, a real Chromium and CIS2: signed in by a click or by a virtual card, signed out when it is pulled.

The application is the ward list of tests/examples, which checks everything. The card's way goes through the agent and
through its bridge or its browser extension.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.ward_list import WardList
from support.bridge import BridgeProgram, write_settings
from support.browser import Browser, own_chromium
from support.extension import EXTENSION, LOAD, install_host, open_options
from support.machine import need, wait_until
from support.native_host import allow
from support.servers import own_port
from support.ticket_socket import LiveAgent
from support.ward_list import CLIENT, running

from agent import State
from spine_stub import SpineStub

SIGN_IN = "Sign in to Ward list"
SIZES = [(390, 844, 1), (1920, 1080, 1), (1280, 900, 2)]
"""A phone, a projector, and 200 % of a PC's screen."""


@pytest.fixture
def bridge_port() -> int:
    need("chromium", "chromedriver", "selenium")
    with own_port() as port:
        return port


@pytest.fixture
def spine(data: Path, bridge_port: int) -> Iterator[SpineStub]:
    """Yield a broker with the time of day, which the application goes by too."""
    with SpineStub(data, bridge_port=bridge_port) as spine:
        yield spine


@pytest.fixture
def ward(spine: SpineStub) -> Iterator[str]:
    with running(spine, name="Ward list") as address:
        yield address


@pytest.fixture
def browser(spine: SpineStub, tmp_path: Path) -> Iterator[Browser]:
    """Yield a Chromium that takes the broker's certificate."""
    with own_chromium(tmp_path / "profile", "--ignore-certificate-errors") as browser:
        yield browser


@pytest.fixture
def origin(spine: SpineStub) -> str:
    """The origin that the bridge serves: that of CIS2's page, unless the test's parameter is another."""
    return spine.url


@pytest.fixture
def by_bridge(origin: str, live: LiveAgent, bridge_port: int, tmp_path: Path) -> Iterator[BridgeProgram]:
    """Yield the bridge, which serves this origin."""
    write_settings(tmp_path / "config", f'origins = ["{origin}"]')
    bridge = BridgeProgram({**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}, bridge_port)
    yield bridge
    bridge.end()


def is_signed_out(browser: Browser, spine: SpineStub, ward: str) -> None:
    """The application was told, and took the logout token for a valid one; who opens its next page must sign in."""
    wait_until(lambda: spine.cis2.logouts(CLIENT), what="a logout token")
    assert [logout.status for logout in spine.cis2.logouts(CLIENT)] == [200]
    browser.open(ward)
    browser.wait_for_text(SIGN_IN, "h1")


def test_a_click_signs_in_and_a_pulled_card_signs_out(spine: SpineStub, ward: str, browser: Browser) -> None:
    browser.open(ward)
    browser.wait_for_text(SIGN_IN, "h1")
    browser.find("button[value='555000000002']").click()
    browser.wait_for_text("You are Bryn Hughes.")
    assert spine.cis2.card_out("555000000002") == 1
    is_signed_out(browser, spine, ward)


@pytest.mark.usefixtures("by_bridge")
def test_a_card_signs_in_and_out_by_the_bridge(spine: SpineStub, ward: str, browser: Browser, live: LiveAgent) -> None:
    browser.open(ward)
    browser.find("#ready .go").click()
    assert live.asks().origin == browser.run("return location.origin")
    live.signs_in("one-role")
    browser.wait_for_text("You are Bryn Hughes.")
    live.pull()
    live.sees(State.WAITING)
    is_signed_out(browser, spine, ward)


def test_a_card_signs_in_and_out_by_the_extension(
    spine: SpineStub, ward: str, live: LiveAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in allow(tmp_path / "config", spine.url).items():
        monkeypatch.setenv(name, value)
    install_host(tmp_path / "profile", tmp_path)
    live.signs_in("one-role")  # before anybody asks: then nobody is asked again
    arguments = (f"--load-extension={EXTENSION}", LOAD, "--ignore-certificate-errors")
    with own_chromium(tmp_path / "profile", *arguments) as browser:
        open_options(browser)
        browser.open(ward)
        assert browser.run("return 'nhsAuth' in window")
        browser.find("#ready .go").click()
        browser.wait_for_text("You are Bryn Hughes.")
        live.pull()
        is_signed_out(browser, spine, ward)


def test_one_of_forty_roles_is_searched_and_chosen(ward: str, browser: Browser) -> None:
    browser.open(ward)
    browser.find("button[value='555000000003']").click()
    browser.wait_for_text("Choose your role", "h1")
    assert len(browser.all("button[name=role]")) == 40
    browser.find("#q").send_keys("kingsmead pharmacy\n")
    browser.wait(lambda: len(browser.all("button[name=role]")) == 1)
    browser.find("button[name=role]").click()
    browser.wait_for_text("Patients of LAN140", "h1")


@pytest.mark.usefixtures("by_bridge")
def test_a_card_with_forty_roles_brings_the_agents_choice_and_changes_it(
    spine: SpineStub, browser: Browser, live: LiveAgent
) -> None:
    live.signs_in("forty-roles")
    with running(spine, name="Ward list") as ward:
        browser.open(ward)
        browser.find("#ready .go").click()
        browser.wait_for_text("Patients of LAN101", "h1")
    changing = type("Changing", (WardList,), {"scopes": ("openid", "profile", "nationalrbacaccess", "changedrole")})
    with running(spine, changing, name="Ward list") as ward:
        browser.open(ward)
        browser.wait_for_text("Carys Llewellyn, you have 40 roles")
        browser.find("button[value='555100000322']").click()
        browser.wait_for_text("Patients of LAN122", "h1")
        live.pull()
        is_signed_out(browser, spine, ward)


@pytest.mark.parametrize("origin", ["https://elsewhere.example"])
@pytest.mark.usefixtures("by_bridge")
def test_a_page_that_is_not_served_says_so_and_people_can_still_be_chosen(ward: str, browser: Browser) -> None:
    browser.open(ward)
    browser.find("#ready .go").click()
    browser.wait_for_text("does not serve this page", "#card")
    assert browser.run("return location.origin") in browser.text("#card .origin")
    browser.find("button[value='555000000002']").click()
    browser.wait_for_text("You are Bryn Hughes.")


def test_the_keyboard_is_enough(ward: str, browser: Browser) -> None:
    from selenium.webdriver import Keys

    browser.open(ward)
    browser.find("#q").send_keys("hughes", Keys.ENTER)
    browser.wait(lambda: len(browser.all("button[name=uid]")) == 1)
    browser.run("document.querySelector('#mechanism').focus()")
    browser.press(Keys.TAB, Keys.ENTER)
    browser.wait_for_text("You are Bryn Hughes.")


def test_without_javascript_people_can_be_chosen_and_the_card_is_explained(ward: str, browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.open(ward)
    assert not browser.find("#card").is_displayed()
    assert "A smartcard needs JavaScript" in browser.find("noscript").text
    browser.find("button[value='555000000002']").click()
    browser.wait(lambda: "You are Bryn Hughes." in browser.driver.page_source)


def test_a_double_click_is_one_answer(ward: str, browser: Browser) -> None:
    browser.open(ward)
    browser.run("const button = document.querySelector(\"[value='555000000002']\"); button.click(); button.click()")
    browser.wait_for_text("You are Bryn Hughes.")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_page_fits_and_can_be_read(ward: str, browser: Browser, spine: SpineStub, colours: str) -> None:
    browser.prefer(colours)
    for width, height, zoom in SIZES:
        browser.resize(width, height, zoom)
        browser.driver.delete_all_cookies()
        for click in ("", "summary", "#ready .go", "button[value='555000000003']"):
            if click:
                browser.find(click).click()
                browser.wait(lambda: "Asking" not in browser.text("h2"))
            else:
                browser.open(ward)
            assert browser.low_contrast() == []
            assert browser.wider_than_the_screen() == []
        browser.open(f"{spine.cis2.issuer}/sign-in?key=none")
        assert browser.low_contrast() == []
    assert not [line for line in browser.console() if "Content Security Policy" in line]
