"""The console's pages and API without a browser: what they show, what they change, and for whom."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import requests
from support.cis2 import Application
from support.spine import Spine
from support.spine_client import Card, Client, sign_cms

from spine_stub.console import API, PAGES
from spine_stub.errors import Unavailable
from spine_stub.login.checks import Check
from spine_stub.people.directory import Person
from spine_stub.stub import Stub

UID = "555000000002"


def post(client: Client, path: str, /, **values: Any) -> requests.Response:
    """As a form of our own page, or as JSON for the API."""
    if path.startswith("/stub/api/"):
        return client.http.post(client.url + path, json=values, timeout=10, allow_redirects=False)
    headers = {"Origin": client.url, "Sec-Fetch-Site": "same-origin"}
    return client.http.post(client.url + path, data=values, headers=headers, timeout=10, allow_redirects=False)


def test_every_page_shows_itself(spine: Spine, client: Client, stub: Stub) -> None:
    client.sign_in(spine.card("one-role"))
    Application(spine.url, spine.ca_file).authorize()
    assert stub.cis2
    there = {
        "<int:number>": str(stub.record.sign_ins()[0].number),
        "<uid>": UID,
        "<client_id>": "example-application",
        "<sign_in_id>": stub.cis2.journal.steps()[0].sign_in,
    }
    for rule, method, _ in PAGES + API:
        if method == "GET" and not rule.endswith("/events"):
            path = re.sub("<.*>", lambda found: there[found[0]], rule)
            assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(("name", "kind"), [("console.css", "text/css"), ("console.js", "/javascript")])
def test_pages_get_their_style_and_script(name: str, kind: str, client: Client) -> None:
    reply = client.get(f"/stub/static/{name}")
    assert (reply.status_code, reply.headers["Cache-Control"]) == (200, "no-store")
    assert kind in reply.headers["Content-Type"]
    assert "Content-Security-Policy" in reply.headers


@pytest.mark.parametrize("path", ["sign-in/99", "people/1", "static/app.py", "static/..%2fapp.py", "nothing"])
def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    assert client.get(f"/stub/{path}").status_code == 404


def test_a_person_or_sign_in_that_is_gone_is_said_on_a_page(client: Client) -> None:
    assert "Sign-in 99 is not kept any more" in client.get("/stub/sign-in/99").text
    assert "Nobody has the uid &lt;b&gt;." in client.get("/stub/people/<b>").text


def test_a_refused_sign_in_says_which_check_and_which_bytes(spine: Spine, client: Client, stub: Stub) -> None:
    challenge, signature = client.activate()
    card = spine.card("one-role")
    client.post(
        "/login/authvalidate", client.answer(card, sign_cms(card, challenge.encode()).dump(), challenge, signature)
    )
    number = stub.record.sign_ins()[0].number
    page = client.get(f"/stub/sign-in/{number}").text
    assert f"of {len(Check)} does not hold: The signed content is the challenge." in page
    assert "<code>content-not-the-challenge</code>" in page
    assert "The challenge&#39;s base64 was signed; decode it first." in page
    assert f"<mark>{base64.b64decode(challenge)[0]:02x}</mark>" in page
    assert "CN=Lanyard Test SubCA01" in page
    assert "encap_content_info" in page
    explanation = client.get(f"/stub/api/sign-ins/{number}").json()["explanation"]
    assert [step["state"] for step in explanation["checks"]][8:11] == ["passed", "refused", "not-reached"]


def test_no_ticket_is_shown_anywhere(spine: Spine, client: Client, stub: Stub) -> None:
    ticket = client.sign_in(spine.card("three-roles"))
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000102")
    client.get("/saml/RoleAssertion", token=ticket)
    client.get("/login/authlogout", token=ticket)
    number = stub.record.sign_ins()[0].number
    for path in ("", f"sign-in/{number}", "sessions", "api/requests", "api/sign-ins", f"api/sign-ins/{number}"):
        page = client.get(f"/stub/{path}").text
        assert ticket[10:30] not in page, path
    assert ticket[:10] in page


def test_what_a_client_writes_is_text_on_the_pages(client: Client, stub: Stub) -> None:
    evil = "<script>alert(1)</script>"
    client.get("/login/authvalidate", uid=evil, log_session_id=evil)
    client.http.headers["User-Agent"] = evil
    client.get("/login/authactivate", app_url=evil)
    for sign_in in stub.record.sign_ins():
        assert evil not in client.get(f"/stub/sign-in/{sign_in.number}").text
    assert evil not in client.get("/stub/").text
    assert "&lt;script&gt;" in client.get("/stub/").text


def test_faults_are_set_and_cleared_by_api(client: Client, stub: Stub) -> None:
    reply = post(client, "/stub/api/faults", fault="roles", value=40, endpoint="authvalidate", client=UID, times=2)
    first, second = reply.json()["faults"]
    assert (first["value"], first["standing"], second["client"]) == ("40", False, UID)
    assert post(client, "/stub/api/faults", fault="hang").json()["faults"][0]["standing"]
    assert len(client.get("/stub/api/faults").json()["faults"]) == 3
    assert post(client, "/stub/api/faults/clear", number=first["number"]).json() == {"cleared": 1}
    assert post(client, "/stub/api/faults/clear").json() == {"cleared": 2}
    assert not stub.faults.settings()


@pytest.mark.parametrize(
    "values",
    [
        {"fault": "nothing"},
        {"fault": "delay", "value": "soon"},
        {"fault": "hang", "times": "x"},
        {"fault": "hang", "times": 0},
        {"fault": "hang", "times": 10**9},
        {"fault": ["hang"]},
        {"fault": "hang", "clients": "1"},
        {},
    ],
    ids=str,
)
def test_a_wrong_fault_is_one_sentence(client: Client, stub: Stub, values: dict[str, Any]) -> None:
    reply = post(client, "/stub/api/faults", **values)
    assert (reply.status_code, list(reply.json())) == (400, ["error"])
    assert not stub.faults.settings()


def test_what_is_no_json_object_is_said(client: Client) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"[]", b"{", b"\xff"):
        reply = client.post("/stub/api/faults", body, headers=headers)
        assert (reply.status_code, reply.json()) == (400, {"error": "the body is not a JSON object"})


def test_faults_are_set_and_cleared_by_form(client: Client, stub: Stub) -> None:
    values = {"value": "", "endpoint": "", "client": "", "times": "2"}
    assert post(client, "/stub/faults/set", fault="hang", when="once", **values).status_code == 303
    assert post(client, "/stub/faults/set", fault="drop", when="standing", **values).status_code == 303
    assert [(s.name, s.standing) for s in stub.faults.settings()] == [("hang", False)] * 2 + [("drop", True)]
    assert "Clear all 3" in client.get("/stub/faults").text
    wrong = post(client, "/stub/faults/set", fault="delay", when="once", **{**values, "value": "soon"})
    assert wrong.status_code == 400
    assert "&#39;soon&#39; is no value for delay" in wrong.text
    assert post(client, "/stub/faults/clear").status_code == 303
    assert not stub.faults.settings()


@pytest.mark.parametrize("path", ["/stub/sessions/end", "/stub/api/sessions/end"])
def test_a_session_is_ended(spine: Spine, client: Client, path: str) -> None:
    ticket = client.sign_in(spine.card("one-role"))
    (session,) = client.get("/stub/api/sessions").json()["sessions"]
    assert session["uid"] == UID
    assert post(client, path, session=session["session"]).ok
    assert "Success" not in client.get("/saml/RoleAssertion", token=ticket).text
    assert not client.get("/stub/api/sessions").json()["sessions"]


def test_a_session_says_who_and_in_which_role(spine: Spine, client: Client) -> None:
    ticket = client.sign_in(spine.card("one-role"))
    assert "none chosen" in client.get("/stub/sessions").text
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000201")
    page = client.get("/stub/sessions").text
    assert "Bryn Hughes" in page
    assert UID in page
    assert "Nurse Access Role" in page


def test_a_session_is_shown_while_the_directory_is_away(
    spine: Spine, client: Client, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> Person:
        raise Unavailable("directory-unavailable", "")

    client.sign_in(spine.card("one-role"))
    monkeypatch.setattr(stub.broker.directory, "person", away)
    assert UID in client.get("/stub/sessions").text


@pytest.mark.parametrize("path", ["people", f"people/{UID}", "sessions"])
def test_what_does_not_answer_is_said_on_a_page(
    client: Client, stub: Stub, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("directory-unavailable", "Timeout")

    for what, method in ((stub.broker.directory, "person"), (stub.broker.directory, "people")):
        monkeypatch.setattr(what, method, away)
    monkeypatch.setattr(stub.broker.store, "sessions", away)
    reply = client.get(f"/stub/{path}")
    assert reply.status_code == 503
    assert "The directory does not answer: Timeout." in reply.text
    assert "Sign-ins" in reply.text
    assert client.get("/stub/api/sessions").json() == {"error": "The directory does not answer: Timeout."}


def test_a_session_needs_more_than_a_guess(spine: Spine, client: Client) -> None:
    client.sign_in(spine.card("one-role"))
    assert post(client, "/stub/api/sessions/end", session="").status_code == 400
    assert post(client, "/stub/api/sessions/end", session="0" * 16).json() == {"ended": False}


def test_a_person_is_added_with_role_and_card_and_signs_in(spine: Spine, client: Client) -> None:
    there = post(client, "/stub/people/add", cn="Zoë O'Test", uid="").headers["Location"]
    role = {
        "org_name": 'MOOR & DALE, "EAST"',
        "org_code": "T1",
        "group": "A",
        "sub_group": "B",
        "name": "C",
        "code": "",
    }
    assert post(client, f"{there}/add-role", **role).status_code == 303
    assert post(client, f"{there}/issue-card", card="zoe").status_code == 303
    page = client.get(there).text
    assert "Zoë O&#39;Test" in page
    assert "MOOR &amp; DALE" in page
    card = Card.load(spine.data, "zoe")
    assert client.sign_in(card)
    assert post(client, f"{there}/edit", cn="Zoë Other").status_code == 303  # the tick for active is not set
    assert "person-inactive" in client.validate(card).headers["X-Spine-Stub-Reason"]


def test_a_role_is_dropped_and_cards_are_revoked(spine: Spine, client: Client) -> None:
    there = f"/stub/people/{UID}"
    card = spine.card("one-role")
    post(client, f"{there}/drop-role", role="555100000201")
    assert "nhsjobrole" not in client.validate(card).text
    assert 'name="reason" value="key-compromise"' in client.get(there).text
    post(client, f"{there}/revoke-card", card="one-role", reason="key-compromise")
    assert client.validate(card).headers["X-Spine-Stub-Reason"] == "certificate-revoked"
    assert (">revoked<" in client.get(there).text, "revoke-card" in client.get(there).text) == (True, False)
    newest = client.get("/stub/api/sign-ins").json()["sign_ins"][0]["number"]
    assert "(key-compromise)" in client.get(f"/stub/sign-in/{newest}").text
    post(client, f"{there}/revoke")
    assert "inactive" in client.get(there).text


def test_the_ca_is_revoked_by_a_click_and_restored_by_another(spine: Spine, client: Client) -> None:
    post(client, "/stub/faults/authority", revoked="ca-compromise")
    assert client.validate(spine.card("one-role")).headers["X-Spine-Stub-Reason"] == "authority-revoked"
    assert "Take it back" in client.get("/stub/faults").text
    post(client, "/stub/faults/authority", revoked="")
    assert client.sign_in(spine.card("one-role"))


@pytest.mark.parametrize(
    ("path", "values", "words"),
    [
        ("add", {"cn": "", "uid": ""}, "cn is missing"),
        ("add", {"cn": "X", "uid": UID}, "already"),
        (f"{UID}/issue-card", {"card": "../x"}, "cannot be a card"),
        (f"{UID}/edit", {"cn": "<b>"}, "cn is not usable"),
        (f"{UID}/add-role", {"org_name": ""}, "org_name is missing"),
    ],
)
def test_what_cannot_be_done_to_people_is_said(client: Client, path: str, values: dict[str, str], words: str) -> None:
    reply = post(client, f"/stub/people/{path}", **values)
    assert reply.status_code == 400
    assert words in reply.text


def test_people_are_searched(client: Client) -> None:
    page = client.get("/stub/people", q="hUGHES").text
    assert "Bryn Hughes" in page
    assert "Amara" not in page
    assert "Nobody is called" in client.get("/stub/people", q="<i>").text
