"""The clinical application: who gets in, what a role allows, and that card out ends it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
import requests
from support.spine import Spine

from spine_stub.clinic.service import Application

CHOSEN = {"three-roles": "555100000102", "one-role": "555100000201"}


class Visitor:
    """A browser without a window: it keeps cookies, and says which page it asks from."""

    def __init__(self, spine: Spine, url: str) -> None:
        self.url, self.spine = url, spine
        self.http = requests.Session()
        self.http.verify, self.http.trust_env = str(spine.ca_file), False

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.http.get(self.url + path, headers=headers, timeout=10, allow_redirects=False)

    def post(self, path: str, content: object = None, **headers: str) -> requests.Response:
        headers = {"Origin": self.url, **headers}
        return self.http.post(self.url + path, json=content, headers=headers, timeout=10, allow_redirects=False)

    def sign_in(self, card: str, *, role: bool = True) -> str:
        """Sign in at the broker, then here; returns the ticket."""
        client, ticket = self.spine.login(card)
        if role:
            client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid=CHOSEN[card])
        assert self.post("/session", {"ticket": ticket}).json() == {"state": "signed-in"}
        return ticket


@pytest.fixture
def clinic(spine: Spine) -> Iterator[Application]:
    with Application(spine.url, spine.data, clock=spine.clock) as running:
        yield running


@pytest.fixture
def visitor(spine: Spine, clinic: Application) -> Visitor:
    return Visitor(spine, clinic.url)


def test_a_stranger_is_asked_to_sign_in(visitor: Visitor) -> None:
    page = visitor.get("/")
    assert page.status_code == 200
    assert "Sign in with your smartcard" in page.text
    assert not visitor.http.cookies


def test_the_page_shows_who_you_are_and_what_your_role_allows(visitor: Visitor) -> None:
    visitor.sign_in("one-role")
    page = visitor.get("/").text
    for words in ("Bryn Hughes", "Nurse Access Role", "THE LANYARD SURGERY, HIGH STREET", "555000000002"):
        assert words in page
    assert re.findall(r'href="/tasks/(\w+)"', page) == ["appointments", "records"]
    assert page.count("Not with this role") == 2


def test_it_is_the_chosen_role_that_counts(visitor: Visitor) -> None:
    """Of three roles the second is chosen: not the first that the assertion lists."""
    visitor.sign_in("three-roles")
    page = html.unescape(visitor.get("/").text)
    for words in ("Nurse & Midwife Access Role", "ST BRIDGET'S HOSPITAL (EAST WING)", "LAN002", "S8000:G8000:R8001"):
        assert words in page
    assert "Clinical Practitioner" not in page


def test_somebody_without_a_role_can_do_nothing(visitor: Visitor) -> None:
    visitor.sign_in("no-role", role=False)
    assert "You have no role" in visitor.get("/").text
    assert visitor.get("/tasks/appointments").status_code == 403


def test_somebody_who_has_chosen_no_role_is_told_to(visitor: Visitor) -> None:
    visitor.sign_in("three-roles", role=False)
    assert "Choose a role in the agent" in visitor.get("/").text


def test_what_the_role_does_not_allow_is_refused_by_the_server_too(visitor: Visitor) -> None:
    visitor.sign_in("one-role")
    assert visitor.get("/tasks/records").status_code == 200
    refused = visitor.get("/tasks/prescriptions")
    assert refused.status_code == 403
    assert "Your role does not allow this" in refused.text
    assert "Amlodipine" not in refused.text
    assert visitor.get("/tasks/nothing").status_code == 404


def test_card_out_ends_the_next_request(visitor: Visitor, spine: Spine) -> None:
    ticket = visitor.sign_in("one-role")
    spine.client().get("/login/authlogout", token=ticket)
    over = visitor.get("/tasks/records")
    assert over.status_code == 401
    assert "Your session has ended" in over.text
    assert "Maud" not in over.text
    assert not visitor.http.cookies
    assert "Sign in with your smartcard" in visitor.get("/").text


def test_a_page_that_is_looked_at_again_learns_that_it_is_over(visitor: Visitor, spine: Spine) -> None:
    ticket = visitor.sign_in("one-role")
    assert visitor.get("/session").status_code == 200
    spine.client().get("/login/authlogout", token=ticket)
    assert visitor.get("/session").json() == {"state": "over"}


def test_the_session_ends_by_itself_with_the_brokers(visitor: Visitor, spine: Spine) -> None:
    visitor.sign_in("one-role")
    spine.clock.advance(minutes=601)
    assert visitor.get("/").status_code == 401


def test_leaving_forgets_the_visit_and_keeps_the_ticket_alive(visitor: Visitor, spine: Spine) -> None:
    ticket = visitor.sign_in("one-role")
    before = dict(visitor.http.cookies)
    assert visitor.post("/session/end").headers["Location"] == "/"
    visitor.http.cookies.update(before)  # as somebody who copied it would
    assert "Sign in with your smartcard" in visitor.get("/").text
    assert not spine.is_over(ticket)


@pytest.mark.parametrize("ticket", ["", "rubbish", "x" * 5000, 5, None, ["a"], "AQIC5w\r\nX: y", "ä", "#", "\ud800"])
def test_a_ticket_that_is_none_is_refused(visitor: Visitor, ticket: object) -> None:
    reply = visitor.post("/session", {"ticket": ticket})
    assert reply.status_code in (400, 403)
    assert reply.json() == {"state": "refused"}
    assert not visitor.http.cookies


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"', b"[" * 10_000])
def test_a_body_that_is_no_json_object_is_refused(visitor: Visitor, body: bytes) -> None:
    headers = {"Origin": visitor.url, "Content-Type": "application/json"}
    assert visitor.http.post(visitor.url + "/session", data=body, headers=headers, timeout=10).status_code == 400


def test_a_broker_that_is_away_shows_nothing_and_keeps_the_visit(visitor: Visitor, spine: Spine) -> None:
    ticket = visitor.sign_in("one-role")
    spine.faults.once("http-503", endpoint="RoleAssertion")
    away = visitor.get("/tasks/records")
    assert away.status_code == 503
    assert "We cannot check that you are still signed in" in away.text
    assert "Maud" not in away.text
    spine.faults.once("http-503", endpoint="RoleAssertion")
    assert visitor.post("/session", {"ticket": ticket}).json() == {"state": "broker-away"}
    assert visitor.get("/tasks/records").status_code == 200


def test_a_broker_of_another_ca_is_not_believed(visitor: Visitor, spine: Spine) -> None:
    _, ticket = spine.login("one-role")
    spine.faults.always("tls-unknown-ca")
    assert visitor.post("/session", {"ticket": ticket}).json() == {"state": "broker-away"}


def test_the_browser_never_sees_the_ticket_again(visitor: Visitor) -> None:
    ticket = visitor.sign_in("one-role")
    replies = [visitor.get(path) for path in ("/", "/session", "/tasks/records")]
    for reply in replies:
        assert ticket not in reply.text + str(reply.headers)
    assert ticket not in str(visitor.http.cookies)


def test_the_cookie_is_for_this_server_only(visitor: Visitor, spine: Spine) -> None:
    _, ticket = spine.login("one-role")
    cookie = visitor.post("/session", {"ticket": ticket}).headers["Set-Cookie"]
    assert cookie.startswith("__Host-visit=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_signing_in_gives_a_new_name(visitor: Visitor) -> None:
    """A name that somebody planted, or saw before, is worth nothing after it."""
    visitor.http.cookies.set("__Host-visit", "planted")
    visitor.sign_in("one-role")
    first = visitor.http.cookies.get_dict()["__Host-visit"]
    visitor.sign_in("one-role")
    assert visitor.http.cookies.get_dict()["__Host-visit"] not in (first, "planted")


ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://127.0.0.1:1"},
    {"Origin": "", "Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
@pytest.mark.parametrize("path", ["/session", "/session/end"])
def test_no_other_origin_changes_anything(visitor: Visitor, headers: dict[str, str], path: str) -> None:
    ticket = visitor.sign_in("one-role")
    assert visitor.post(path, {"ticket": ticket}, **headers).status_code == 403
    assert "Bryn Hughes" in visitor.get("/").text


def test_no_other_origin_reads_anything(visitor: Visitor) -> None:
    visitor.sign_in("one-role")
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert visitor.get("/", **cross).status_code == 403
    assert visitor.get("/", **{**cross, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}).status_code == 403
    assert visitor.get("/", **{**cross, "Sec-Fetch-Dest": "document"}).status_code == 200
    page = visitor.get("/")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in page.headers


@pytest.mark.parametrize("host", ["evil example", "a/b", "", "x" * 300])
def test_a_host_that_is_none_is_refused(visitor: Visitor, host: str) -> None:
    assert visitor.get("/", Host=host).status_code in (400, 403)


def test_a_large_body_is_refused(visitor: Visitor) -> None:
    assert visitor.post("/session", {"ticket": "x" * 20_000}).status_code in (400, 413)
