"""CIS2's control API: a test in any language arranges sign-ins, pulls cards, moves the clock, and begins again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from support.cis2 import PERSON, ROLE, Application, asks_who

from spine_stub import SpineStub
from spine_stub.cis2.control.commands import COMMANDS, PATH

THREE_ROLES, NURSE = "555000000001", "555100000101"
JSON = {"Content-Type": "application/json"}


class Control:
    """A test in another language: it speaks JSON and knows the CA."""

    def __init__(self, spine: SpineStub) -> None:
        self.url, self.ca_file = spine.url + PATH, str(spine.ca_file)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return requests.post(self.url + path, json={} if body is None else body, verify=self.ca_file, timeout=10)

    def get(self, path: str, **query: str) -> Any:
        return requests.get(self.url + path, params=query, verify=self.ca_file, timeout=10).json()

    def done(self, path: str, body: Any = None) -> Any:
        """What came of a command that must succeed."""
        reply = self.post(path, body)
        assert reply.status_code == 200, reply.text
        return reply.json()


@pytest.fixture
def control(spine_stub: SpineStub) -> Control:
    return Control(spine_stub)


@pytest.fixture
def application(spine_stub: SpineStub) -> Application:
    return Application(spine_stub.url, spine_stub.ca_file)


def who(application: Application, **asked: str | None) -> Any:
    """The ID token of a sign-in that asks nobody."""
    code = application.code(login_hint=None, **asked)
    return application.claims(application.token(code).json()["id_token"])


def test_a_person_is_signed_in_without_being_asked_once(control: Control, application: Application) -> None:
    told = control.done("/sign-in", {"uid": THREE_ROLES, "role": NURSE, "aal": 2})["arranged"]
    assert (told["mechanism"], told["standing"]) == ("TOTP", False)
    claims = who(application, acr_values="AAL2_OR_AAL3_ANY")
    assert (claims["sub"], claims["selected_roleid"], claims["amr"]) == (THREE_ROLES, NURSE, ["TOTP"])
    application.browser.cookies.clear()
    assert asks_who(application.authorize(login_hint=None))


def test_a_standing_sign_in_holds_until_it_is_taken_back(control: Control, application: Application) -> None:
    control.done("/sign-in", {"uid": PERSON, "standing": True, "client": application.id})
    for _ in range(2):
        application.browser.cookies.clear()
        assert who(application)["sub"] == PERSON
    assert control.done("/sign-in/clear", {"client": "another"}) == {"cleared": 0}
    assert control.done("/sign-in/clear") == {"cleared": 1}
    application.browser.cookies.clear()
    assert asks_who(application.authorize(login_hint=None))


def test_a_role_is_chosen_by_its_code_too(control: Control, application: Application) -> None:
    control.done("/sign-in", {"uid": PERSON, "role": "S8000:G8000:R8001"})
    assert who(application)["selected_roleid"] == ROLE


def test_the_card_is_pulled_for_one_person_or_for_all(control: Control, application: Application) -> None:
    for person in (PERSON, THREE_ROLES):
        application.browser.cookies.clear()
        control.done("/sign-in", {"uid": person})
        application.authorize(login_hint=None, scope="openid")
    assert {session["uid"] for session in control.get("/sessions")["sessions"]} == {PERSON, THREE_ROLES}
    (ended,) = control.done("/card-out", {"uid": PERSON})["ended"]
    assert (ended["uid"], list(ended["clients"])) == (PERSON, [])
    (left,) = control.get("/sessions")["sessions"]
    assert control.done("/card-out", {"sid": left["sid"]})["ended"][0]["uid"] == THREE_ROLES
    assert control.done("/card-out") == {"ended": []}


def test_the_clock_is_set_and_moved_and_sessions_end_by_it(control: Control, application: Application) -> None:
    now = datetime(2026, 12, 24, 18, tzinfo=UTC)
    told = control.done("/clock", {"now": "2026-12-24T18:00:00Z"})["now"]
    assert timedelta() <= datetime.fromisoformat(told) - now < timedelta(minutes=1)
    application.authorize()
    control.done("/clock", {"forward": 11 * 3600})
    assert control.get("/sessions") == {"sessions": []}
    assert datetime.fromisoformat(control.get("/clock")["now"]) > now + timedelta(hours=11)


def test_an_application_is_registered_with_a_secret_of_its_own(control: Control, spine_stub: SpineStub) -> None:
    body = {"id": "mine", "redirect_uris": ["http://127.0.0.1/callback"], "levels": "number"}
    made = control.done("/clients", body)["client"]
    application = Application(spine_stub.url, spine_stub.ca_file, id="mine", secret=made["secret"])
    claims = application.claims(application.token(application.code()).json()["id_token"])
    assert claims["authentication_assurance_level"] == 3
    shown = next(each for each in control.get("/clients")["clients"] if each["id"] == "mine")
    assert "secret" not in shown
    assert shown["auth_methods"] == ["client_secret_post", "client_secret_jwt"]


def test_an_application_is_registered_with_a_key_set_but_names_no_file(control: Control, tmp_path: Path) -> None:
    told = control.done("/clients", {"id": "mine", "jwks": {"keys": []}})
    assert "secret" not in told["client"]
    file = tmp_path / "key.pem"
    file.write_text("a file of the broker's machine")
    reply = control.post("/clients", {"id": "mine", "key": str(file)})
    assert (reply.status_code, reply.json()["error"][:4]) == (400, "key:")


def test_everything_begins_again_by_one_call(control: Control, application: Application, spine_stub: SpineStub) -> None:
    control.done("/clients", {"id": "mine"})
    control.done("/sign-in", {"uid": PERSON, "standing": True})
    control.done("/clock", {"forward": 3600})
    spine_stub.faults.always("http-503")
    application.authorize()
    control.done("/reset")
    assert not spine_stub.faults.settings()
    assert control.get("/sessions") == {"sessions": []}
    assert control.get("/steps") == {"steps": []}
    assert "mine" not in {each["id"] for each in control.get("/clients")["clients"]}
    assert datetime.fromisoformat(control.get("/clock")["now"]) < datetime.now(UTC) + timedelta(minutes=1)
    assert asks_who(application.authorize(login_hint=None))


def test_what_an_application_asked_is_told_step_by_step(control: Control, application: Application) -> None:
    application.userinfo(application.token(application.code()).json()["access_token"])
    steps = control.get("/steps", client=application.id)["steps"]
    assert [step["endpoint"] for step in steps] == ["authorize", "code", "access_token", "userinfo"]
    assert len({step["sign_in"] for step in steps}) == 1
    assert control.get("/steps", sign_in=steps[0]["sign_in"])["steps"] == steps
    assert application.secret not in str(steps)
    report = control.get("/report", client=application.id)
    assert (report["client"], report["sign_ins"]) == (application.id, 1)


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/sign-in", {"uid": "999"}, "nobody who may sign in has the uid '999'"),
        ("/sign-in", {"uid": PERSON, "role": "R1"}, f"{PERSON} has no roles 'R1'; there are: {ROLE} (S8000"),
        ("/sign-in", {"uid": PERSON, "mechanism": "PIGEON"}, "there is no mechanism 'PIGEON'; there are: N3_SMARTCARD"),
        ("/sign-in", {"uid": PERSON, "aal": 4}, "aal is not a whole number from 1 to 3"),
        ("/sign-in", {"uid": PERSON, "aal": True}, "aal is not a whole number"),
        ("/sign-in", {"uid": PERSON, "client": "nobody"}, "there is no client 'nobody'"),
        ("/sign-in", {"uid": PERSON, "standing": "yes"}, "standing is not true or false"),
        ("/sign-in", {"uid": 5}, "uid is not a short text"),
        ("/sign-in", {"uid": "x" * 3000}, "uid is not a short text"),
        ("/sign-in", {"user": PERSON}, "unknown: user; known: aal, client, mechanism"),
        ("/clock", {"now": "yesterday"}, "now is not a time such as"),
        ("/clock", {"now": "9999-12-31T23:59:59Z"}, "CIS2's clock does not leave"),
        ("/clock", {"now": "9999-12-31T23:59:59Z", "forward": 10}, "CIS2's clock does not leave"),
        ("/clock", {"forward": "3"}, "forward is not a whole number"),
        ("/clock", {"forward": 10**12}, "forward is not a whole number"),
        ("/card-out", {"uid": None, "all": True}, "unknown: all"),
        ("/reset", {"now": True}, "unknown: now; known: none"),
        ("/reset", [], "the body is not a JSON object"),
        ("/clients", "x", "the body is not a JSON object"),
        ("/clients", {}, "id: it is missing"),
        ("/clients", {"id": "a", "colour": "red"}, "colour: there is no such field"),
        ("/clients", {"id": "a", "redirect_uris": "http://x"}, "redirect_uris: it must be a list of texts"),
        ("/clients", {"id": "a", "secret": "x", "jwks": {}}, "secret, key, jwks, jwks_uri: it must have exactly one"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(control: Control, path: str, body: Any, says: str) -> None:
    reply = control.post(path, body)
    assert reply.status_code == 400
    assert list(reply.json()) == ["error"]
    assert reply.json()["error"].startswith(says)


@pytest.mark.parametrize("body", [b"{", b'{"a":' * 10_000], ids=len)
@pytest.mark.parametrize("path", [each.path for each in COMMANDS if each.method == "POST"])
def test_a_body_that_is_no_json_changes_nothing(control: Control, path: str, body: bytes) -> None:
    reply = requests.post(control.url + path, data=body, headers=JSON, verify=control.ca_file, timeout=10)
    assert (reply.status_code, reply.json()) == (400, {"error": "the body is not a JSON object"})


def test_the_clock_does_not_run_out(control: Control) -> None:
    replies = [control.post("/clock", {"forward": 10 * 365 * 24 * 3600}) for _ in range(8)]
    assert replies[-1].json() == {"error": "CIS2's clock does not leave the years 2000 to 2100"}
    assert datetime.fromisoformat(control.get("/clock")["now"]).year <= 2100


def test_the_commands_are_told_as_commands_of_curl(control: Control, spine_stub: SpineStub) -> None:
    told = requests.get(f"{control.url}/", verify=control.ca_file, timeout=10).text
    assert all(f"{control.url}{each.path}" in told for each in COMMANDS)
    assert f"--cacert {spine_stub.ca_file}" in told


def test_it_is_shut_to_others_as_the_console_is(spine_stub: SpineStub, control: Control) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        reply = requests.post(f"{control.url}/reset", json={}, headers=headers, verify=control.ca_file, timeout=10)
        assert reply.status_code == 403


def test_without_its_libraries_it_says_so(
    spine_stub_factory: Callable[..., SpineStub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spine_stub.app.LIBRARIES", ("no_such_module",))
    reply = Control(spine_stub_factory()).post("/reset")
    assert reply.status_code == 400
    assert reply.json()["error"].startswith("CIS2 is not served: it needs")
