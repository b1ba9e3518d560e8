"""The console in a real Chromium: light and dark, on a phone and on a projector, by keyboard, and live."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import Browser
from support.cis2 import Application
from support.machine import need
from support.readable import look
from support.spine_client import Card, Client, sign_cms, signer

from spine_stub import SpineStub

PAGES = [
    "",
    "people",
    "people?q=nobody",
    "people/555000000001",
    "people/555000000004",
    "sessions",
    "faults",
    "settings",
    "cis2/report/example-application",
]


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory, demo_data: Path) -> Iterator[SpineStub]:
    """Over http, which Chromium takes on loopback: it does not know the test CA."""
    need("chromium", "chromedriver", "selenium")
    with SpineStub(demo_data, tls=False) as spine:
        yield spine


@pytest.fixture
def spine(stub: SpineStub) -> SpineStub:
    stub.clear()
    return stub


@pytest.fixture
def client(spine: SpineStub) -> Client:
    return Client(spine.url, spine.ca_file)


def card(spine: SpineStub, name: str) -> Card:
    return Card.load(spine.data, name)


@pytest.fixture
def busy(spine: SpineStub, client: Client) -> SpineStub:
    """A broker that has seen a good day and all sorts of bad ones."""
    client.http.headers["User-Agent"] = "Mozilla/4.0(compatible;IE;GACv10. 0. 0. 1) " + "x" * 200
    ticket = client.sign_in(card(spine, "three-roles"))
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000102")
    client.get("/login/authlogout", token=client.sign_in(card(spine, "one-role")))
    for name in ("forty-roles", "no-role"):
        client.sign_in(card(spine, name))
    client.validate(card(spine, "revoked"))
    wrong_digest(spine, client)
    client.get("/login/authvalidate", uid="u" * 300)
    spine.faults.once("http-503", endpoint="authvalidate")
    client.validate(card(spine, "one-role"))
    client.activate()
    sign_in_by_cis2(spine)
    spine.faults.always("roles", 1000, client="555000000001")
    spine.faults.once("tls-expired", times=2)
    return spine


def sign_in_by_cis2(spine: SpineStub) -> None:
    """Good, refused and unknown; with tokens, a fault, and a logout token that nobody takes."""
    client = spine.cis2.client("c" * 80, backchannel_logout_uri="http://127.0.0.1:9/")
    application = Application(spine.url, spine.ca_file, id=client.id, secret=client.secret)
    spine.faults.once("wrong-nonce", endpoint="access_token")
    tokens = application.token(application.code(login_hint="555000000003", scope="openid nationalrbacaccess")).json()
    application.userinfo(tokens["access_token"])
    spine.cis2.card_out()
    spine.cis2.logouts()
    application.token(application.code(), client_secret="wrong")
    application.authorize(client_id="unknown")


def wrong_digest(spine: SpineStub, client: Client) -> None:
    """An answer whose signature is over the challenge's base64."""
    whose = card(spine, "forty-roles")
    challenge, signature = client.activate()
    info = sign_cms(whose, base64.b64decode(challenge))
    signer(info)["signature"] = whose.raw_signature(challenge.encode(), "sha256")
    client.post("/login/authvalidate", client.answer(whose, info.dump(), challenge, signature))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page or "timeline")
def test_a_page_is_readable_everywhere(busy: SpineStub, browser: Browser, tmp_path: Path, page: str) -> None:
    assert look(browser, f"{busy.url}/stub/{page}", tmp_path) == []


def test_every_sign_in_is_readable_everywhere(busy: SpineStub, browser: Browser, tmp_path: Path) -> None:
    for sign_in in busy._stub.record.sign_ins()[2:5]:  # no uid, a wrong digest, a broken chain
        assert look(browser, f"{busy.url}/stub/sign-in/{sign_in.number}", tmp_path) == []


def test_every_sign_in_by_cis2_is_readable_everywhere(busy: SpineStub, browser: Browser, tmp_path: Path) -> None:
    for sign_in in sorted({step.sign_in for step in busy.cis2.steps() if step.sign_in}):
        assert look(browser, f"{busy.url}/stub/cis2/sign-in/{sign_in}", tmp_path) == []


def test_a_quiet_broker_invites(spine: SpineStub, browser: Browser, tmp_path: Path) -> None:
    assert look(browser, f"{spine.url}/stub/", tmp_path) == []
    assert spine.url in browser.text("#nobody")


def test_a_sign_in_appears_as_it_happens(spine: SpineStub, client: Client, browser: Browser) -> None:
    browser.open(f"{spine.url}/stub/")
    browser.wait_for_text("Live", "#live")
    browser.run("window.isTheSame = true")
    for _ in range(5):
        client.sign_in(card(spine, "one-role"))
        browser.wait_for_text("Signed in", f"#sign-in-{spine._stub.record.sign_ins()[0].number}")
    assert browser.run("return window.isTheSame")
    assert len(browser.all("li.sign-in")) == 5
    assert not browser.find("#nobody").is_displayed()


def test_a_timeline_catches_up_when_the_broker_was_away(spine: SpineStub, client: Client, browser: Browser) -> None:
    browser.open(f"{spine.url}/stub/")
    browser.wait_for_text("Live", "#live")
    for listener in list(spine._stub.events._listeners):
        listener.close()  # as a restart of the server would
    client.sign_in(card(spine, "one-role"))
    browser.wait_for_text("Bryn Hughes", "#timeline")


def test_a_page_about_a_sign_in_goes_on_with_it(spine: SpineStub, client: Client, browser: Browser) -> None:
    ticket = client.sign_in(card(spine, "one-role"))
    browser.open(f"{spine.url}/stub/sign-in/{spine._stub.record.sign_ins()[0].number}")
    browser.wait(lambda: spine._stub.events.count == 1)
    client.get("/login/authlogout", token=ticket)
    browser.wait_for_text("Logged out", "#sign-in")


def test_an_open_sign_in_by_cis2_goes_on(spine: SpineStub, browser: Browser) -> None:
    application = Application(spine.url, spine.ca_file)
    code = application.code()
    browser.open(f"{spine.url}/stub/")
    browser.find("main a[href*='/cis2/sign-in/']").click()
    browser.wait(lambda: spine._stub.events.count == 1)
    application.token(code)
    browser.wait_for_text("Signed in", "#sign-in")
    browser.wait_for_text("Claims of the ID token", "main")


def tab_to(browser: Browser, what: str) -> None:
    """Press Tab until the keyboard is where the selector says."""
    for _ in range(60):
        if browser.run("return document.activeElement.matches(arguments[0])", what):
            return
        browser.press("\ue004")
    pytest.fail(f"Tab does not lead to {what}")


def test_a_fault_is_set_and_cleared_by_keyboard(spine: SpineStub, browser: Browser) -> None:
    browser.open(f"{spine.url}/stub/faults")
    tab_to(browser, "#fault")
    browser.press("T", "L", "S")  # the first TLS fault, by typing its beginning
    assert browser.run("return document.querySelector('#fault').value") == "tls-unknown-ca"
    assert not browser.find("#endpoint-line").is_displayed()
    assert not browser.find("#value-line").is_displayed()
    assert browser.find("#tls-warning").is_displayed()
    tab_to(browser, "form[action$=set] button")
    browser.press("\ue007")
    browser.wait_for_text("TLS certificate of an unknown CA", ".roles")
    tab_to(browser, ".roles button")
    browser.press("\ue007")
    browser.wait_for_text("the broker behaves")
    assert not spine.faults.settings()


def test_the_keyboard_can_be_seen_wherever_it_is(busy: SpineStub, browser: Browser) -> None:
    browser.open(f"{busy.url}/stub/faults")
    for _ in range(25):
        browser.press("\ue004")
        outline = browser.run(
            "const e = document.activeElement; return e === document.body || getComputedStyle(e).outlineStyle"
        )
        assert outline in (True, "solid")


def test_a_session_is_ended_by_a_click(spine: SpineStub, client: Client, browser: Browser) -> None:
    client.sign_in(card(spine, "one-role"))
    browser.open(f"{spine.url}/stub/sessions")
    browser.find("button[name=session]").click()
    browser.wait_for_text("Nobody is signed in.")
    assert not spine._stub.broker.store.sessions()


def test_settings_are_copied_by_a_click(spine: SpineStub, browser: Browser) -> None:
    browser.open(f"{spine.url}/stub/settings")
    browser.find("[data-copy=addresses]").click()
    browser.wait(lambda: browser.text("[data-copy=addresses]") != "Copy")
    marked = browser.run("return getSelection().toString() || 'copied'")
    assert marked == "copied" or f"{spine.url}/login/authactivate" in marked


def test_nothing_is_fetched_from_elsewhere(busy: SpineStub, browser: Browser) -> None:
    browser.open(f"{busy.url}/stub/")
    names = browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert names
    assert all(name.startswith(busy.url) for name in names)
