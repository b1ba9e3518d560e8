"""Programs sign in as the e-Referral Service has them do it: a professional session for a ticket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from support.spine import Spine

from spine_stub.clinic.professional_session import PATH, TYPE
from spine_stub.clinic.service import Application

Program = Any


@pytest.fixture
def program(spine: Spine) -> Iterator[Program]:
    """Yield a function that sends a request as a program would, with its ASID."""
    with Application(spine.url, spine.data, clock=spine.clock) as clinic:

        def send(method: str, key: str = "", *, asid: str = "200000000220", **content: Any) -> requests.Response:
            headers = {"XAPI_ASID": asid, "HTTP_X_SESSION_KEY": key}
            body = {"typeInfo": TYPE, **content}
            verify = str(spine.ca_file)
            return requests.request(method, clinic.url + PATH, json=body, headers=headers, verify=verify, timeout=10)

        yield send


def test_a_session_begins_takes_a_permission_and_ends(program: Program, spine: Spine) -> None:
    _, ticket = spine.login("three-roles")
    created = program("POST", token=ticket)
    assert created.status_code == 201
    session = created.json()
    assert session["id"].startswith("pro-xapi-session_")
    assert session["user"]["identifier"] == "555000000001"
    permission = session["user"]["permissions"][0]
    assert set(permission) == {"businessFunction", "orgIdentifier", "orgName"}
    chosen = program("PUT", session["id"], token=ticket, permission=permission)
    assert (chosen.status_code, chosen.json()["permission"]) == (200, permission)
    assert program("DELETE", session["id"]).status_code == 204
    assert program("PUT", session["id"], permission=permission).status_code == 401


def test_card_out_ends_it(program: Program, spine: Spine) -> None:
    _, ticket = spine.login("three-roles")
    session = program("POST", token=ticket).json()
    spine.client().get("/login/authlogout", token=ticket)
    permission = session["user"]["permissions"][0]
    assert program("PUT", session["id"], permission=permission).status_code == 401
    assert program("POST", token=ticket).status_code == 401


@pytest.mark.parametrize("token", ["", None, 5, "rubbish"])
def test_a_token_that_is_none_is_refused(program: Program, token: object) -> None:
    assert program("POST", token=token).status_code in (401, 422)


def test_what_is_not_offered_cannot_be_chosen(program: Program, spine: Spine) -> None:
    _, ticket = spine.login("one-role")
    session = program("POST", token=ticket).json()
    for permission in (None, {}, [], "x", {"businessFunction": "REFERRING_CLINICIAN_ADMIN", "orgIdentifier": "LAN001"}):
        assert program("PUT", session["id"], permission=permission).status_code == 422
    assert program("PUT", session["id"], token="another's", permission=None).status_code == 422


def test_a_program_says_which_system_it_is(program: Program, spine: Spine) -> None:
    _, ticket = spine.login("one-role")
    assert program("POST", asid="", token=ticket).status_code == 403


def test_a_broker_that_is_away_is_said(program: Program, spine: Spine) -> None:
    _, ticket = spine.login("one-role")
    spine.faults.once("http-503", endpoint="RoleAssertion")
    assert program("POST", token=ticket).status_code == 503


def test_the_reply_does_not_say_the_token_again(program: Program, spine: Spine) -> None:
    _, ticket = spine.login("one-role")
    assert ticket not in program("POST", token=ticket).text
