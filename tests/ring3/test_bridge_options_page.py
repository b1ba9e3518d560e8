"""The extension's options page in a real Chromium: which pages may ask, listed where, and how it looks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.browser import Browser
from support.extension import Extended, open_options

SIZES = {"phone": (360, 740), "laptop": (1280, 900), "projector": (1920, 1080)}
ENTER, TAB = "\ue007", "\ue004"
CLEAR = "const done = arguments[0]; chrome.storage.local.set({own: []}).then(done)"


@pytest.fixture
def page(extended: Extended) -> Iterator[Browser]:
    """Yield the options page, with the list as it is after an installation."""
    open_options(extended.browser)
    yield extended.browser
    extended.browser.run_async(CLEAR)
    extended.browser.prefer("")
    extended.browser.resize(1280, 900)


def names(page: Browser, section: str) -> list[str]:
    return [element.text.split("\n")[0] for element in page.all(f"#{section} li .name")]


def add(page: Browser, address: str) -> None:
    field = page.find("#origin")
    field.clear()
    field.send_keys(address, ENTER)


def test_it_shows_what_this_pc_lists(page: Browser, extended: Extended) -> None:
    assert page.text("#state-title") == "Lanyard on this PC is ready"
    assert names(page, "pc") == [extended.listed.origin]
    assert page.console() == []


def test_a_page_is_added_and_removed(page: Browser) -> None:
    add(page, "App.example/")
    page.wait(lambda: names(page, "own") == ["https://app.example"])
    assert "bridge.toml does not name it" in page.text("#own li")
    add(page, "https://app.example:443")
    page.wait(lambda: page.find("#origin").get_attribute("value") == "")
    assert names(page, "own") == ["https://app.example"]
    page.find("#own li button").click()
    page.wait(lambda: names(page, "own") == [])


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://app.example", "must begin with https://"),
        ("https://app.example/page", "up to the first single slash"),
        ("https://*.example", "Name one host in full"),
        ("https://me:word@app.example", "up to the first single slash"),
        ("", "not a web address"),
        ("javascript://app.example", "must begin with https://"),
    ],
)
def test_a_mistake_is_said_beside_the_field(page: Browser, address: str, says: str) -> None:
    add(page, address)
    page.wait_for_text(says, "#origin-error")
    assert page.focused().get_attribute("id") == "origin"
    assert names(page, "own") == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_can_be_read(page: Browser, size: str, colours: str) -> None:
    page.prefer(colours)
    page.resize(*SIZES[size])
    add(page, "https://app.example")
    page.wait(lambda: names(page, "own") == ["https://app.example"])
    add(page, "http://other.example")
    page.wait_for_text("must begin", "#origin-error")
    assert page.low_contrast() == []
    assert page.wider_than_the_screen() == []
