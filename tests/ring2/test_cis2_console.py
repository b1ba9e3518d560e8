"""The console on sign-ins by CIS2: each step, tokens taken apart, why refused, what applications answered; live."""

from __future__ import annotations

import http.client
import http.server
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from support.cis2 import PERSON, Application
from support.cis2_logout import LogoutAddress
from support.spine_client import Client

from spine_stub import SpineStub
from spine_stub.cis2.glossary import IN_ASSERTIONS, MEANINGS, meaning
from spine_stub.errors import Unavailable


@pytest.fixture
def console(spine_stub: SpineStub) -> Client:
    return Client(spine_stub.url, spine_stub.ca_file)


@pytest.fixture
def application(spine_stub: SpineStub) -> Application:
    return Application(spine_stub.url, spine_stub.ca_file)


def page(spine_stub: SpineStub, console: Client) -> str:
    """The page of the sign-in that the last step belongs to."""
    step = spine_stub.cis2.steps()[-1]
    reply = console.get(f"/stub/cis2/sign-in/{step.sign_in or f'step-{step.number}'}")
    assert reply.status_code == 200
    return reply.text


def test_each_step_is_shown_with_its_token_taken_apart(
    spine_stub: SpineStub, console: Client, application: Application
) -> None:
    tokens = application.token(application.code()).json()
    application.userinfo(tokens["access_token"])
    shown = page(spine_stub, console)
    for title in ("Asked to sign somebody in", "Sent back with a code", "The code changed into tokens", "Asked who"):
        assert title in shown
    for claim in ("auth_time", "selected_roleid", "nhsid_nrbac_roles"):
        assert f"<code>{claim}</code>" in shown
        assert MEANINGS[claim] in shown
    assert "Claims of the ID token" in shown
    assert "Bryn Hughes" in shown
    assert "✓</span> Signed in" in shown
    for secret in (application.secret, tokens["access_token"], tokens["id_token"]):
        assert secret not in shown


def test_a_refusal_is_said_first(spine_stub: SpineStub, console: Client, application: Application) -> None:
    application.token(application.code(), client_secret="wrong")
    assert "client_secret is not that of this client." in page(spine_stub, console)
    assert "client_secret is not that of this client" in console.get("/stub/").text


def test_a_request_of_nobody_stands_alone(spine_stub: SpineStub, console: Client, application: Application) -> None:
    application.authorize(client_id="<b>unknown</b>")
    shown = page(spine_stub, console) + console.get("/stub/").text
    assert "client_id is not one that is registered" in shown
    assert "<b>unknown" not in shown
    assert shown.count("&lt;b&gt;unknown&lt;/b&gt;") > 1


def test_a_fault_is_told_from_the_applications_own_mistake(
    spine_stub: SpineStub, console: Client, application: Application
) -> None:
    spine_stub.faults.once("wrong-nonce", endpoint="access_token")
    application.token(application.code())
    assert "The fault wrong-nonce has changed the reply" in page(spine_stub, console)
    assert "A fault was set: wrong-nonce" in console.get("/stub/").text


@pytest.mark.parametrize(("status", "says"), [(200, "Logged out"), (501, "answered its logout token with 501")])
def test_what_an_application_answered_to_its_logout_token_is_shown(
    spine_stub: SpineStub, console: Client, logout_address: LogoutAddress, status: int, says: str
) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    logout_address.answer = answer
    client = spine_stub.cis2.client("mine", backchannel_logout_uri=logout_address.url)
    application = Application(spine_stub.url, spine_stub.ca_file, id=client.id, secret=client.secret)
    application.token(application.code())
    spine_stub.cis2.card_out()
    spine_stub.cis2.logouts()
    shown = page(spine_stub, console)
    assert says in shown
    assert "<code>events</code>" in shown
    assert "CIS2 sent" in shown


def test_an_open_timeline_hears_of_it(spine_stub: SpineStub, console: Client, application: Application) -> None:
    console.get("/stub/")
    with stream(spine_stub) as lines:
        application.authorize()
        row = "".join(line for line, _ in zip(lines, range(14), strict=False))
    assert 'id="sign-in-' in row
    assert "CIS2 · example-application" in row


@contextmanager
def stream(spine_stub: SpineStub) -> Iterator[Iterator[str]]:
    """The lines of the stream of events."""
    _, _, place = spine_stub.url.partition("://")
    trust = ssl.create_default_context(cafile=spine_stub.ca_file)
    connection = http.client.HTTPSConnection(place, timeout=10, context=trust)
    connection.request("GET", "/stub/events?after=0&step=0")
    reply = connection.getresponse()
    try:
        yield (line.decode() for line in reply)
    finally:
        connection.close()
        reply.close()


def test_what_is_forgotten_is_said(console: Client) -> None:
    reply = console.get("/stub/cis2/sign-in/0123456789abcdef")
    assert (reply.status_code, "not kept any more" in reply.text) == (404, True)


def test_times_are_told_as_times() -> None:
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert meaning("exp", int(noon.timestamp())).startswith("27 Nov 2026, 12:00:00 UTC. check")
    assert meaning("exp", 10**20).startswith("no time.")
    assert meaning("exp", "soon") == MEANINGS["exp"]


def test_the_same_claim_means_something_else_in_an_assertion() -> None:
    assert meaning("aud", "x", "assertion_claims") == IN_ASSERTIONS["aud"] != meaning("aud", "x", "id_token_claims")
    assert meaning("no-such-claim", PERSON) == ""


def test_a_card_is_pulled_on_the_page_of_sessions(
    spine_stub: SpineStub, console: Client, application: Application
) -> None:
    application.token(application.code())
    (session,) = spine_stub.cis2.sessions()
    shown = console.get("/stub/sessions").text
    assert "At CIS2" in shown
    assert ">example-application</a>" in shown
    own = {"Origin": spine_stub.url, "Sec-Fetch-Site": "same-origin"}
    for sid, left in (("", 1), ("another", 1), (session.sid, 0)):
        console.http.post(f"{spine_stub.url}/stub/cis2/card-out", data={"sid": sid}, headers=own, timeout=10)
        assert len(spine_stub.cis2.sessions()) == left


def test_the_settings_have_what_an_application_wants_to_know(spine_stub: SpineStub, console: Client) -> None:
    shown = console.get("/stub/settings").text
    for wanted in (spine_stub.cis2.discovery_url, "example-secret", "certutil", "policies.json", "keytool"):
        assert wanted in shown


def test_a_directory_that_is_away_costs_the_name_alone(
    spine_stub: SpineStub, console: Client, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.token(application.code())

    def person(uid: str) -> None:
        raise Unavailable("directory-unavailable", uid)

    monkeypatch.setattr(spine_stub._stub.cis2, "person", person)
    assert f"<h1>{PERSON}</h1>" in page(spine_stub, console)
    assert PERSON in console.get("/stub/").text
