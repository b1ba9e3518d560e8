"""A native program asks by a link who is signed in: the person decides, and only a registered redirect gets a code."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from jwcrypto import jwk
from support.agent_socket import SocketServer
from support.machine import wait_until
from support.openid import NativeProgram, register
from support.spine import Spine, SpineFactory
from support.ticket_socket import LiveAgent

from bridge.__main__ import main
from bridge.authorize import offline
from bridge.authorize.broker import keys_file
from bridge.authorize.cli import authorize
from bridge.authorize.redirect import NotDelivered
from bridge.authorize.request import BadLink, Refusal
from bridge.errors import AgentNotRunning, BridgeError, SettingsError
from bridge.registrations import read_clients
from bridge.settings import Settings


@dataclass
class Callback:
    """The program's port on this PC, and what came there."""

    port: int
    answers: list[dict[str, str]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/callback"

    @property
    def last(self) -> dict[str, str]:
        wait_until(lambda: self.answers, what="an answer")
        return self.answers.pop()


@pytest.fixture
def callback() -> Iterator[Callback]:
    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.answers.append({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        here = Callback(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield here
        server.shutdown()
        thread.join()


@pytest.fixture
def spine(data: Path, spine_factory: SpineFactory) -> Spine:
    """A broker that knows the program."""
    (data / "key.json").write_text(register(data).export())
    return spine_factory()


@pytest.fixture
def program(spine: Spine) -> NativeProgram:
    return NativeProgram(spine.url, spine.ca_file, jwk.JWK.from_json((spine.data / "key.json").read_text()))


@pytest.fixture
def settings(spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Settings(
        clients=read_clients(
            {"ward-board": {"name": "Ward Board", "redirect_uris": ["http://127.0.0.1/callback", "wardboard://in"]}}
        ),
        broker=spine.url,
        broker_ca=str(spine.ca_file),
    )


def link(program: NativeProgram, redirect: str, **changed: str) -> str:
    """What the program opens; a field that is empty is left out."""
    fields = {
        "scope": "openid", "response_type": "code", "client_id": "ward-board", "redirect_uri": redirect,
        "state": "st", "nonce": "no", "code_challenge": program.challenge, "code_challenge_method": "S256", **changed,
    }  # fmt: skip
    return "nhsidentityagent://connect/authorize?" + urlencode({name: each for name, each in fields.items() if each})


class Opening:
    """A link that is being opened, while the person does something else."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.error: BridgeError | None = None
        self._thread = threading.Thread(target=self._open, args=(url, settings))
        self._thread.start()

    def _open(self, url: str, settings: Settings) -> None:
        try:
            authorize(url, settings)
        except BridgeError as error:
            self.error = error

    def ends(self) -> BridgeError | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.error


Open = Callable[..., dict[str, str]]


@pytest.fixture
def opens(live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback) -> Open:
    """Open a link, have the person say yes, and return what came to the redirect."""

    def open_link(**changed: str) -> dict[str, str]:
        opening = Opening(link(program, callback.uri, **changed), settings)
        live.asks("Ward Board wants to know who you are. May it?").answer(True)
        opening.ends()
        return callback.last

    return open_link


def test_the_person_agrees_and_the_program_learns_who_it_is(
    opens: Open, live: LiveAgent, program: NativeProgram, spine: Spine, callback: Callback
) -> None:
    live.signs_in("one-role")
    answer = opens()
    assert answer["state"] == "st"
    reply = program.token(answer["code"], spine.clock().timestamp(), redirect_uri=callback.uri)
    claims = program.claims(reply.json()["id_token"])
    assert (claims["name"], claims["nonce"]) == ("Bryn Hughes", "no")
    assert len(claims["device_id"]) == 32


def test_whoever_is_not_signed_in_is_asked_to(
    live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback
) -> None:
    opening = Opening(link(program, callback.uri), settings)
    live.asks()
    live.insert("one-role")
    live.types()
    live.asks("Ward Board wants to know who you are. May it?").answer(True)
    assert opening.ends() is None
    assert "code" in callback.last


def test_the_person_says_no(live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback) -> None:
    live.signs_in("one-role")
    opening = Opening(link(program, callback.uri), settings)
    live.asks("Ward Board wants to know who you are. May it?").answer(False)
    error = opening.ends()
    assert error is not None
    assert error.exit_code == 13
    assert callback.last == {"error": "access_denied", "state": "st"}


@pytest.mark.parametrize(
    "changed",
    [{"response_type": "token"}, {"scope": "openid profile"}, {"scope": ""}, {"code_challenge": ""},
     {"code_challenge": "x" * 42}, {"code_challenge_method": "plain"}, {"nonce": "x" * 2000}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_asked_is_told_to_the_program(
    live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback, changed: dict[str, str]
) -> None:
    with pytest.raises(Refusal):
        authorize(link(program, callback.uri, **changed), settings)
    assert callback.last == {"error": "invalid_request", "state": "st"}
    assert not live.requests


@pytest.mark.parametrize(
    "changed",
    [{"client_id": "another"}, {"client_id": ""}, {"redirect_uri": ""}, {"redirect_uri": "http://127.0.0.1:{port}/else"},
     {"redirect_uri": "http://localhost:{port}/callback"}, {"redirect_uri": "http://x@127.0.0.1:{port}/callback"},
     {"redirect_uri": "http://127.0.0.1:{port}/callback?x=1"}, {"redirect_uri": "http://127.0.0.1:{port}/callback#x"},
     {"redirect_uri": "http://127.0.0.1:999999/callback"}, {"redirect_uri": "https://evil.example/callback"},
     {"redirect_uri": "wardboard://in/more"}, {"redirect_uri": "http://[127.0.0.1]/callback"}, {"state": "x" * 2000}],
    ids=str,
)  # fmt: skip
def test_nobody_is_answered_who_is_not_registered(
    live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback, changed: dict[str, str]
) -> None:
    changed = {name: value.replace("{port}", str(callback.port)) for name, value in changed.items()}
    with pytest.raises(BadLink):
        authorize(link(program, callback.uri, **changed), settings)
    assert not callback.answers
    assert not live.requests


@pytest.mark.parametrize(
    "url",
    ["", "x", "nhsidentityagent:", "nhsidentityagent://connect/authorize", "nhsidentityagent://other/authorize?client_id=a",
     "https://connect/authorize?client_id=ward-board", "nhsidentityagent://connect/authorize?client_id=a&client_id=b",
     "nhsidentityagent://connect/authorize?client_id=%ff", "nhsidentityagent://connect/authorize?" + "a=b&" * 50,
     "nhsidentityagent://[connect/authorize?a=b", "nhsidentityagent://connect/authorize?a=b\n", "x" * 20_000],
    ids=lambda url: url[:40],
)  # fmt: skip
def test_a_link_that_is_none_is_said(settings: Settings, url: str) -> None:
    with pytest.raises(BadLink):
        authorize(url, settings)


def test_without_registered_programs_nothing_is_answered() -> None:
    with pytest.raises(SettingsError, match="No program is registered"):
        authorize("nhsidentityagent://connect/authorize?client_id=a", Settings())


def test_without_an_agent_the_program_is_told_so(
    runtime: Path, program: NativeProgram, settings: Settings, callback: Callback
) -> None:
    with pytest.raises(AgentNotRunning):
        authorize(link(program, callback.uri), settings)
    assert callback.last["error"] == "internal_server_error"


def test_a_broker_that_cannot_be_asked_is_told(opens: Open, live: LiveAgent, settings: Settings, spine: Spine) -> None:
    live.signs_in("one-role")
    spine.faults.always("tls-unknown-ca")
    assert opens() == {"error": "internal_server_error", "state": "st"}


def test_an_answer_goes_to_this_users_port_only(
    live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.authorize.redirect.owner_of_listener", lambda port: 65534)
    with pytest.raises(NotDelivered):
        authorize(link(program, callback.uri, scope="x"), settings)
    assert not callback.answers


def test_a_programs_own_scheme_is_opened_by_the_desktop(
    live: LiveAgent, program: NativeProgram, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = tmp_path / "opened"
    (tmp_path / "xdg-open").write_text(f'#!/bin/sh\nprintf %s "$1" >{opened}\n')
    (tmp_path / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    live.signs_in("one-role")
    opening = Opening(link(program, "wardboard://in"), settings)
    live.asks("Ward Board wants to know who you are. May it?").answer(True)
    assert opening.ends() is None
    assert opened.read_text().startswith("wardboard://in?code=")


# Offline.


@pytest.fixture
def id_token(opens: Open, live: LiveAgent, program: NativeProgram, spine: Spine, callback: Callback) -> str:
    """The ID token of a sign-in before the network went away."""
    live.signs_in("one-role")
    reply = program.token(opens()["code"], spine.clock().timestamp(), redirect_uri=callback.uri)
    spine.stop()
    return str(reply.json()["id_token"])


def redeem(program: NativeProgram, callback: Callback, code: str, **changed: str) -> tuple[int, str]:
    """Exit code and output of `bridge authorize --redeem`."""
    asked = {"code": code, "client_id": "ward-board", "redirect_uri": callback.uri, "code_verifier": program.verifier}
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr("sys.stdin", io.StringIO(json.dumps({**asked, **changed})))
        return main(["authorize", "--redeem"]), said.getvalue()


def test_a_code_signed_here_says_that_the_session_goes_on(
    opens: Open, id_token: str, program: NativeProgram, callback: Callback
) -> None:
    code = opens(id_token_hint=id_token)["code"]
    exit_code, said = redeem(program, callback, code)
    assert exit_code == 0
    assert json.loads(said)["sub"] == "uid=555000000002,ou=People,o=nhs"
    assert redeem(program, callback, code) == (13, "")  # once


@pytest.mark.parametrize(
    "changed",
    [{"client_id": "another"}, {"redirect_uri": "wardboard://in"}, {"code_verifier": "x" * 43}, {"code": "a.b.c"}],
    ids=str,
)
def test_a_code_signed_here_is_bound(
    opens: Open, id_token: str, program: NativeProgram, callback: Callback, changed: dict[str, str]
) -> None:
    code = opens(id_token_hint=id_token)["code"]
    assert redeem(program, callback, **{"code": code, **changed}) == (13, "")
    assert redeem(program, callback, code)[0] == 0


def test_it_holds_for_30_seconds(
    opens: Open, id_token: str, program: NativeProgram, callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = opens(id_token_hint=id_token)["code"]
    now = offline.time.time()
    monkeypatch.setattr(offline.time, "time", lambda: now + 31)
    assert redeem(program, callback, code) == (13, "")


def test_card_out_ends_it(
    opens: Open, id_token: str, live: LiveAgent, program: NativeProgram, callback: Callback
) -> None:
    code = opens(id_token_hint=id_token)["code"]
    live.pull()
    wait_until(lambda: not live.conductor.attempt, what="the session is over")
    assert redeem(program, callback, code) == (13, "")


@pytest.mark.parametrize("hint", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 9000])
def test_a_hint_that_is_no_id_token_is_refused(opens: Open, id_token: str, hint: str) -> None:
    assert opens(id_token_hint=hint) == {"error": "access_denied", "state": "st"}


def test_a_hint_is_for_one_session_and_redirect(opens: Open, id_token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(offline, "device_id", lambda: "another PC")
        assert opens(id_token_hint=id_token)["error"] == "access_denied"
    with monkeypatch.context() as patch:
        patch.setattr(offline, "_session_id", lambda ticket: "another session")
        assert opens(id_token_hint=id_token)["error"] == "access_denied"
    keys_file().write_text('{"keys": []}')
    assert opens(id_token_hint=id_token)["error"] == "access_denied"
    keys_file().unlink()
    assert opens(id_token_hint=id_token)["error"] == "internal_server_error"


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", '{"code": 1, "client_id": "a", "redirect_uri": "b", "code_verifier": "c"}']
)
def test_what_cannot_be_redeemed_is_said(
    socket_server: SocketServer, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["authorize", "--redeem"]) == 2
    assert not socket_server.asked


def test_the_desktop_file_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file = tmp_path / "applications" / "lanyard-authorize.desktop"
    assert main(["authorize", "--install"]) == 0
    text = file.read_text()
    assert "MimeType=x-scheme-handler/nhsidentityagent;" in text
    assert text.count("%u") == 1
    assert main(["authorize", "--uninstall"]) == 0
    assert not file.exists()
    assert main(["authorize", "--uninstall"]) == 0
