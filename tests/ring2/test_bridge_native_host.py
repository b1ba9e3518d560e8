"""The native messaging host as a browser starts it: a process between the browser's pipes and the agent's socket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.agent_socket import SocketServer, error
from support.machine import wait_until
from support.native_host import FIREFOX_ID, LISTED, allow, host
from support.source import ROOT

from bridge.errors import TicketCode
from bridge.native_host.host import HostCode

TICKET = {"success": True, "data": {"tokenId": "TICKET"}}
GET = {"method": "getToken", "data": {}, "origin": LISTED}


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in allow(tmp_path / "config", LISTED).items():
        monkeypatch.setenv(name, value)


def test_one_message(socket_server: SocketServer) -> None:
    with host() as process:
        assert process.ask(GET) == TICKET
        process.hang_up()
        assert process.receive() is None
        assert process.process.wait(10) == 0


def test_many_messages_over_one_connection(socket_server: SocketServer) -> None:
    with host("/some/manifest.json", FIREFOX_ID) as process:
        for number in range(100):
            assert process.ask(GET | {"id": number}) == TICKET | {"id": number}
    assert len(socket_server.asked) == 100


def test_every_code_of_ticketapi_comes_through(socket_server: SocketServer) -> None:
    with host() as process:
        for code in TicketCode:
            socket_server.answers = lambda _, code=code: error("Any", code, "A sentence.")  # type: ignore[misc]
            assert process.ask(GET) == {"errorCode": code, "errorDescription": "A sentence."}


def test_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nothing"))
    with host() as process:
        assert process.ask(GET)["errorCode"] == TicketCode.NO_SERVER


def test_an_agent_that_ends_and_comes_back(tmp_path: Path, socket_server: SocketServer) -> None:
    with host() as process:
        assert process.ask(GET) == TICKET
        socket_server.close()
        assert process.ask(GET)["errorCode"] == TicketCode.NO_SERVER
        socket_server.path.unlink()
        again = SocketServer(tmp_path)
        assert process.ask(GET) == TICKET
        again.close()


def test_unlisted_pages_and_other_extensions_reach_no_agent(socket_server: SocketServer) -> None:
    with host() as process:
        assert process.ask(GET | {"origin": "https://other.example"})["errorCode"] == HostCode.ORIGIN_REFUSED
    with host("chrome-extension://" + "a" * 32 + "/") as process:
        assert process.ask(GET)["errorCode"] == HostCode.EXTENSION_REFUSED
    assert socket_server.asked == []


def test_the_agent_asks_nobody_once_the_page_is_gone(socket_server: SocketServer) -> None:
    socket_server.answers = lambda _: None
    with host() as process:
        process.send(GET)
        wait_until(lambda: socket_server.asked)
        process.hang_up()
        wait_until(lambda: socket_server.hung_up)
        assert process.process.wait(10) == 0


def test_rubbish_ends_the_host_with_a_sentence(socket_server: SocketServer) -> None:
    command = [sys.executable, "-m", "bridge", "native-host", "--", "chrome-extension://x/"]
    ended = subprocess.run(command, input=b"\xff" * 100, cwd=ROOT, capture_output=True)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr == b"bridge: A message of 4,294,967,295 bytes is more than a browser sends.\n"


def test_a_browser_that_reads_nothing_any_more_is_no_failure(socket_server: SocketServer) -> None:
    with host() as process:
        assert process.process.stdout
        process.process.stdout.close()
        process.send(GET)
        assert process.process.wait(10) == 0


def test_started_by_hand_it_says_what_it_is() -> None:
    terminal, end = os.openpty()
    try:
        command = [sys.executable, "-m", "bridge", "native-host"]
        ended = subprocess.run(command, stdin=end, cwd=ROOT, capture_output=True, text=True)
    finally:
        os.close(terminal)
        os.close(end)
    assert ended.returncode == 2
    assert ended.stderr == "bridge: Browsers start this, not people. --install tells the browsers of it.\n"


def test_the_ticket_is_in_no_argument_and_not_on_stderr(socket_server: SocketServer) -> None:
    with host() as process:
        assert process.ask(GET) == TICKET
        about = Path("/proc", str(process.process.pid))
        assert b"TICKET" not in (about / "cmdline").read_bytes() + (about / "environ").read_bytes()
