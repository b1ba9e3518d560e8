"""CIS2's own pages over HTTP, as a browser without JavaScript sees them, and as another site would use them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import requests
from support.cis2 import Application, page, returned, visit
from support.spine import Spine

from spine_stub.cis2 import REALM
from spine_stub.cis2.pending import Arranged
from spine_stub.cis2.provider import Provider

THREE_ROLES, ONE_ROLE, FORTY_ROLES, NO_ROLE = (f"55500000000{n}" for n in (1, 2, 3, 4))
MOCK_AAL1 = "656005750110"


@pytest.fixture
def application(spine: Spine) -> Application:
    return Application(spine.url, spine.ca_file)


def claims(application: Application, reply: requests.Response) -> dict[str, object]:
    """The ID token for the code that the browser brings back."""
    token = application.token(returned(reply)["code"]).json()
    return dict(application.claims(token["id_token"]))


def test_a_click_signs_in_and_the_only_role_is_taken(application: Application) -> None:
    shown = page(application)
    assert {ONE_ROLE, FORTY_ROLES, MOCK_AAL1} <= set(shown.choices("uid"))
    assert "Test bed." in shown.text
    found = claims(application, shown.send(uid=ONE_ROLE, mechanism=""))
    assert (found["sub"], found["amr"], found["acr"]) == (ONE_ROLE, ["N3_SMARTCARD"], "AAL3_ANY")
    assert found["selected_roleid"] == "555100000201"


@pytest.mark.parametrize(
    ("uid", "mechanism", "acr_values", "amr", "aal", "acr"),
    [
        (ONE_ROLE, "FIDO2", "AAL3_ANY", "FIDO2", 3, "AAL3_ANY"),
        (ONE_ROLE, "", "AAL2_ANY", "TOTP", 2, "AAL2_ANY"),
        (ONE_ROLE, "", "AAL2_OR_AAL3_ANY", "N3_SMARTCARD", 3, "AAL2_OR_AAL3_ANY"),
        (ONE_ROLE, "", "AAL1_USERPASS", "USERPASS", 1, "AAL1_USERPASS"),
        (MOCK_AAL1, "", "AAL3_ANY", "USERPASS", 1, "AAL1_USERPASS"),
        ("656005750109", "", "AAL2_OR_AAL3_ANY", "TOTP", 2, "AAL2_OR_AAL3_ANY"),
        (ONE_ROLE, "USERPASS", "AAL3_ANY", "N3_SMARTCARD", 3, "AAL3_ANY"),
        (ONE_ROLE, "NO_SUCH_WAY", "AAL3_ANY", "N3_SMARTCARD", 3, "AAL3_ANY"),
    ],
)
def test_the_token_says_how_somebody_signed_in(
    application: Application, uid: str, mechanism: str, acr_values: str, amr: str, aal: int, acr: str
) -> None:
    found = claims(application, page(application, acr_values=acr_values).send(uid=uid, mechanism=mechanism))
    assert (found["amr"], found["authentication_assurance_level"], found["acr"]) == ([amr], str(aal), acr)


def test_only_what_is_enough_is_offered(application: Application) -> None:
    text = page(application, acr_values="AAL2_ANY").text
    assert "NHSMAIL" in text
    assert "FIDO2" not in text
    assert "Use a smartcard" not in text


@pytest.mark.parametrize(
    ("uid", "scope", "is_asked"),
    [
        (NO_ROLE, "openid selectedrole", False),
        (ONE_ROLE, "openid changedrole", False),
        (THREE_ROLES, "openid profile", False),
        (THREE_ROLES, "openid selectedrole", True),
        (FORTY_ROLES, "openid changedrole", True),
    ],
)
def test_a_role_is_asked_for_where_there_is_a_choice(
    application: Application, uid: str, scope: str, is_asked: bool
) -> None:
    location = page(application, scope=scope).send(uid=uid).headers["Location"]
    assert location.startswith(f"{application.url}{REALM}/role") is is_asked


def test_forty_roles_are_searched_and_one_is_chosen_for_the_whole_session(application: Application) -> None:
    shown = page(application)
    roles = shown.follow(shown.send(uid=FORTY_ROLES))
    assert len(roles.choices("role")) == 40
    assert roles.search("kingsmead pharmacy").choices("role") == ["555100000340"]
    assert "Show all" in roles.search("nowhere").text
    assert claims(application, roles.send(role="555100000340"))["selected_roleid"] == "555100000340"
    again = application.authorize(login_hint=None)
    assert claims(application, again)["selected_roleid"] == "555100000340"
    other = page(application, scope="openid changedrole")
    assert len(other.choices("role")) == 40


def test_five_roles_and_fewer_need_no_search(application: Application) -> None:
    shown = page(application)
    roles = shown.follow(shown.send(uid=THREE_ROLES))
    assert len(roles.choices("role")) == 3
    assert 'role="search"' not in roles.text


def test_people_are_searched_for(application: Application) -> None:
    shown = page(application)
    assert shown.search("llewellyn").choices("uid") == [FORTY_ROLES]
    assert shown.search("mavis").choices("uid") == []
    assert "<script>" not in shown.search("<script>").reply.text


@pytest.mark.parametrize("uid", [None, FORTY_ROLES])
def test_cancelling_goes_back_with_access_denied(application: Application, uid: str | None) -> None:
    shown = page(application)
    if uid:
        shown = shown.follow(shown.send(uid=uid))
    brought = returned(shown.send(cancel="1"))
    assert (brought["error"], brought["state"]) == ("access_denied", "the-state")


def test_a_page_is_answered_once(application: Application) -> None:
    shown = page(application)
    returned(shown.send(uid=ONE_ROLE))
    for again in (shown.send(uid=ONE_ROLE), shown.send(cancel="1"), visit(application, shown.reply.url)):
        assert again.status_code == 400
        assert "Go back to the application" in again.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:5000"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_another_site_cannot_answer(application: Application, headers: dict[str, str]) -> None:
    shown = page(application)
    assert shown.send(headers, uid=ONE_ROLE).status_code == 403
    assert shown.send(headers, cancel="1").status_code == 403
    returned(shown.send({"Origin": application.url, "Sec-Fetch-Site": "same-origin"}, uid=ONE_ROLE))


def test_what_browsers_are_told(application: Application) -> None:
    shown = page(application)
    policy = shown.reply.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "connect-src http://127.0.0.1:8037" in policy
    assert shown.reply.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?! src)|\son\w+=|style=", shown.reply.text)
    cookie = shown.send(uid=ONE_ROLE).headers["Set-Cookie"]
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax", f"Path={REALM}"))


@pytest.mark.parametrize("name", ["pages.css", "sign_in.css", "ticket.js", "sign_in.js"])
def test_the_files_of_a_page_are_there(application: Application, name: str) -> None:
    assert application.get(f"/static/{name}").status_code == 200
    assert application.get("/static/people.toml").status_code == 404


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none", "login_hint": ONE_ROLE}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "whatever"}, "invalid_request"),
        ({"max_age": "-5"}, "invalid_request"),
        ({"max_age": "5 minutes"}, "invalid_request"),
    ],
)
def test_what_cannot_be_answered_goes_back_as_an_error(
    application: Application, asked: dict[str, str], error: str
) -> None:
    assert returned(application.authorize(**{"login_hint": None, **asked}))["error"] == error


def test_a_session_is_used_until_something_asks_for_a_new_sign_in(application: Application, spine: Spine) -> None:
    first = claims(application, application.authorize(login_hint=ONE_ROLE))
    spine.clock.advance(seconds=200)
    second = claims(application, application.authorize(login_hint=None, max_age="300", prompt="none"))
    assert [second[name] for name in ("sid", "auth_time")] == [first[name] for name in ("sid", "auth_time")]
    for asked in ({"prompt": "login"}, {"max_age": "100"}, {"acr_values": "AAL2_ANY"}, {"prompt": "select_account"}):
        assert page(application, **asked).choices("uid")


def test_signing_in_again_renews_the_session_of_the_same_person(application: Application, spine: Spine) -> None:
    first = claims(application, application.authorize(login_hint=ONE_ROLE))
    spine.clock.advance(seconds=200)
    second = claims(application, page(application, prompt="login").send(uid=ONE_ROLE))
    assert second["sid"] == first["sid"]
    assert int(str(second["auth_time"])) == int(str(first["auth_time"])) + 200


def test_another_person_ends_the_session_of_the_one_before(application: Application, provider: Provider) -> None:
    ended: list[tuple[str, str]] = []
    provider.sessions.on_end.append(lambda session, reason: ended.append((session.uid, reason)))
    first = claims(application, application.authorize(login_hint=ONE_ROLE))
    second = claims(application, page(application, prompt="login").send(uid=NO_ROLE))
    assert second["sid"] != first["sid"]
    assert ended == [(ONE_ROLE, "logged_out")]


def test_an_arranged_sign_in_asks_nobody(application: Application, provider: Provider) -> None:
    provider.arranged.add(Arranged(THREE_ROLES, role_id="555100000102", mechanism="TOTP", aal=2))
    found = claims(application, application.authorize(login_hint=None))
    assert (found["sub"], found["amr"], found["selected_roleid"]) == (THREE_ROLES, ["TOTP"], "555100000102")


def test_prompt_none_asks_for_no_role_either(application: Application) -> None:
    claims(application, application.authorize(login_hint=THREE_ROLES, scope="openid"))
    assert returned(application.authorize(login_hint=None, prompt="none"))["error"] == "interaction_required"


def test_a_ticket_signs_in_with_the_role_of_the_agents_window(
    application: Application, spine: Spine, provider: Provider
) -> None:
    client, ticket = spine.login("three-roles")
    client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000102", ssbMode="0")
    found = claims(application, page(application).send(ticket=ticket))
    assert (found["sub"], found["amr"], found["acr"]) == (THREE_ROLES, ["N3_SMARTCARD"], "AAL3_ANY")
    assert found["selected_roleid"] == "555100000102"
    assert [bool(session.ticket_key) for session in provider.sessions.all()] == [True]
    answered = next(step.sent for step in provider.journal.steps() if step.endpoint == "page" and step.sent)
    assert (answered["uid"], answered["mechanism"]) == (THREE_ROLES, "N3_SMARTCARD")
    assert not any(ticket in line for line in (*spine.log, *map(str, provider.journal.steps())))
    assert ticket not in str(provider.stub.record.exchanges())


def test_a_role_that_is_changed_in_the_agents_window_counts_from_then_on(
    application: Application, spine: Spine
) -> None:
    client, ticket = spine.login("three-roles")

    def chosen_in_the_agent(role: str) -> None:
        client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid=role, ssbMode="0")

    def told(**asked: str) -> object:
        return claims(application, application.authorize(login_hint=None, **asked))["selected_roleid"]

    chosen_in_the_agent("555100000101")
    assert claims(application, page(application).send(ticket=ticket))["selected_roleid"] == "555100000101"
    chosen_in_the_agent("555100000102")
    assert told() == "555100000102"
    changed = page(application, scope="openid changedrole").send(role="555100000103")
    assert claims(application, changed)["selected_roleid"] == "555100000103"
    assert told() == "555100000103"


@pytest.mark.parametrize(("ticket", "acr_values"), [("no ticket", ""), ("", ""), ("x" * 5000, ""), (None, "AAL2_ANY")])
def test_what_is_no_ticket_or_not_enough_is_told_on_the_page(
    application: Application, spine: Spine, ticket: str | None, acr_values: str
) -> None:
    sent = spine.login("one-role")[1] if ticket is None else ticket
    reply = page(application, acr_values=acr_values).send(ticket=sent)
    assert reply.status_code == 403
    assert "does not accept this card" in reply.text


def test_nobody_and_no_role_are_told_on_the_page(application: Application) -> None:
    shown = page(application)
    reply = shown.send(uid="555999999999")
    assert (reply.status_code, "choose again" in reply.text) == (400, True)
    roles = shown.follow(shown.send(uid=THREE_ROLES))
    reply = roles.send(role="555100000301")
    assert (reply.status_code, "choose again" in reply.text) == (400, True)


def test_the_role_page_of_somebody_else_shows_nothing(application: Application) -> None:
    shown = page(application)
    address = shown.send(uid=FORTY_ROLES).headers["Location"]
    stranger = Application(application.url, application.ca_file)
    reply = visit(stranger, address)
    assert reply.status_code == 400
    assert "Llewellyn" not in reply.text


def test_a_hint_signs_in_with_the_persons_own_identity_level(application: Application, spine: Spine) -> None:
    spine.people.edit_person(replace(spine.people.person(ONE_ROLE), identity_level=1))
    found = claims(application, application.authorize(login_hint=ONE_ROLE))
    assert found["id_assurance_level"] == "1"
