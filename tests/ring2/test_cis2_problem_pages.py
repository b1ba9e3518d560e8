"""What CIS2 says on a page of its own, because nothing may be sent to the application."""

from __future__ import annotations

from html import unescape

import pytest
from support.cis2 import Application, Page, page, visit
from support.spine import Spine, SpineFactory

from spine_stub.cis2 import REALM
from spine_stub.cis2.provider import Provider
from spine_stub.errors import Unavailable


@pytest.fixture
def application(spine: Spine) -> Application:
    return Application(spine.url, spine.ca_file)


def away(*_: object) -> None:
    raise Unavailable("directory-unavailable", "it does not answer")


@pytest.mark.parametrize(
    ("asked", "ways"),
    [
        ({"client_id": "nobody"}, ["clients.toml", "/stub/api/cis2/clients", "--any-client"]),
        ({"redirect_uri": "https://elsewhere.example"}, ["http://127.0.0.1/callback", "http://localhost/callback"]),
    ],
)
def test_who_develops_the_application_is_told_what_will_do(
    application: Application, asked: dict[str, str], ways: list[str]
) -> None:
    reply = application.authorize(**asked)
    assert (reply.status_code, "Location" in reply.headers) == (400, False)
    for way in ways:
        assert way in unescape(reply.text)


def test_a_directory_that_is_away_is_said_on_each_page(
    application: Application, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = page(application)
    roles = shown.follow(shown.send(uid="555000000003")).reply.url
    monkeypatch.setattr(provider.people, "person", away)
    monkeypatch.setattr(provider.people, "people", away)
    another = application.authorize(login_hint="555000000001")
    for reply in (another, visit(application, shown.reply.url), visit(application, roles)):
        assert reply.status_code in (400, 503)
        assert reply.headers["Content-Security-Policy"]
    assert "Try again in a minute." in another.text


def test_a_broker_that_is_away_is_no_fault_of_the_card(
    application: Application, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = page(application)
    monkeypatch.setattr(provider.broker.store, "use", away)
    reply = shown.send(ticket="a ticket")
    assert reply.status_code == 503
    assert "Nothing is wrong with the card" in reply.text


def test_pages_and_their_files_are_below_the_path_prefix(spine_factory: SpineFactory) -> None:
    gateway = spine_factory(path_prefix="/Prod")
    application = Application(gateway.url, gateway.ca_file)
    shown = page(application)
    assert shown.reply.url.startswith(f"{gateway.url}{REALM}/sign-in")
    assert application.get("/static/pages.css").status_code == 200
    roles: Page = shown.follow(shown.send(uid="555000000003"))
    reply = roles.send(role="555100000301")
    assert reply.status_code == 302
    assert "code=" in reply.headers["Location"]
    assert 'href="/' not in shown.text + roles.text
    assert 'action="/' not in shown.text + roles.text
