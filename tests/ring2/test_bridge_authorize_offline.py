"""Codes that are signed on this PC, for programs that cannot reach their servers: bound, short-lived, used once."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from jwcrypto import jwk
from support.agent_socket import SocketServer
from support.machine import wait_until
from support.native_program import Callback, Open
from support.openid import NativeProgram
from support.spine import Spine, SpineFactory
from support.ticket_socket import LiveAgent

from bridge.__main__ import main
from bridge.authorize import offline
from bridge.authorize.broker import keys_file


@pytest.fixture
def spine(program_key: jwk.JWK, spine_factory: SpineFactory) -> Spine:
    """A broker that knows the program."""
    return spine_factory()


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
