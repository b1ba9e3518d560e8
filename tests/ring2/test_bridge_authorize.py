"""A native program asks by a link who is signed in: the person decides, and only a registered redirect gets a code."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jwcrypto import jwk
from support.native_program import Callback, Open, Opening, link, question
from support.openid import NativeProgram
from support.spine import Spine, SpineFactory
from support.ticket_socket import LiveAgent

from bridge.__main__ import main
from bridge.authorize.cli import authorize
from bridge.authorize.redirect import NotDelivered, deliver
from bridge.authorize.request import BadLink, Refusal
from bridge.errors import AgentNotRunning, SettingsError
from bridge.settings import Settings


@pytest.fixture
def spine(program_key: jwk.JWK, spine_factory: SpineFactory) -> Spine:
    """A broker that knows the program."""
    return spine_factory()


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
    live.asks(callback.question).answer(True)
    assert opening.ends() is None
    assert "code" in callback.last


def test_the_person_says_no(live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback) -> None:
    live.signs_in("one-role")
    opening = Opening(link(program, callback.uri), settings)
    live.asks(callback.question).answer(False)
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


def test_a_broker_without_such_questions_is_told_from_one_that_is_away(
    live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback, spine_factory: SpineFactory
) -> None:
    live.signs_in("one-role")
    elsewhere = spine_factory(path_prefix="/Prod")  # its paths are not those that are asked
    opening = Opening(link(program, callback.uri), replace(settings, broker=elsewhere.url))
    live.asks(callback.question).answer(True)
    assert str(opening.ends()) == "The broker does not serve OpenID Connect."
    assert callback.last["error"] == "internal_server_error"


def test_an_answer_goes_to_this_users_port_only(
    live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.authorize.redirect.owner_of_connection", lambda near, far: 65534)
    with pytest.raises(NotDelivered):
        authorize(link(program, callback.uri, scope="x"), settings)
    assert not callback.answers


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_strangers_listener_gets_nothing_though_its_port_is_ours_elsewhere() -> None:
    """At 127.0.0.1 a stranger listens, at 127.0.0.2 this user, both at the same port."""
    script = (
        "import socket; server = socket.create_server(('127.0.0.1', 0)); print(server.getsockname()[1], flush=True);"
        "input(); print(server.accept()[0].recv(1000))"
    )
    stranger = subprocess.Popen(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    assert stranger.stdout
    assert stranger.stdin
    port = int(stranger.stdout.readline())
    stranger.stdin.write("\n")
    stranger.stdin.flush()
    with socket.create_server(("127.0.0.2", port)), pytest.raises(NotDelivered, match="Another user"):
        deliver(f"http://127.0.0.1:{port}/callback", {"code": "CODE"})
    assert stranger.communicate(timeout=10)[0] == "b''\n"


def test_an_error_is_shown_to_whoever_clicked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = tmp_path / "shown"
    (tmp_path / "notify-send").write_text(f'#!/bin/sh\nprintf %s "$3" >{shown}\n')
    (tmp_path / "notify-send").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["authorize", "nhsidentityagent://connect/authorize?client_id=x"]) == 2
    assert shown.read_text().endswith(".")


def test_a_programs_own_scheme_is_opened_by_the_desktop(
    live: LiveAgent, program: NativeProgram, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = tmp_path / "opened"
    (tmp_path / "xdg-open").write_text(f'#!/bin/sh\nprintf %s "$1" >{opened}\n')
    (tmp_path / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    live.signs_in("one-role")
    opening = Opening(link(program, "wardboard://in"), settings)
    live.asks(question("wardboard://in")).answer(True)
    assert opening.ends() is None
    assert opened.read_text().startswith("wardboard://in?code=")


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


def test_the_desktop_file_is_no_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    file = tmp_path / "applications" / "lanyard-authorize.desktop"
    file.parent.mkdir()
    file.symlink_to(tmp_path / "other")
    assert main(["authorize", "--install"]) == 2
    assert "is a symbolic link, and was not followed" in capsys.readouterr().err
    assert main(["authorize", "--uninstall"]) == 0
    assert file.is_symlink()
    assert not (tmp_path / "other").exists()


def test_a_desktop_file_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "applications").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["authorize", "--install"]) == 2
    assert capsys.readouterr().err.endswith("lanyard-authorize.desktop cannot be written: File exists.\n")
