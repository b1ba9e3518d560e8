"""Asking the agent over its socket, against a scripted one: right answers, wrong ones, hostile ones."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.agent_socket import SocketServer, error
from support.machine import wait_until

from bridge import agent_socket
from bridge.agent_socket import AgentSocket
from bridge.errors import (
    AgentBroken,
    AgentBusy,
    AgentError,
    AgentNotRunning,
    AgentSilent,
    CallerGone,
    ForeignSocket,
    TicketCode,
)


def test_the_ticket_comes(socket_server: SocketServer) -> None:
    with AgentSocket() as agent:
        assert agent.get_ticket("https://app.example", 60) == "TICKET"
        assert agent.get_new_ticket(None, 5) == "TICKET"
        assert agent.get_ticket_no_auth("https://app.example") == "TICKET"
    asked = [(each["method"], each["parameters"]) for each in socket_server.asked]
    assert asked == [
        ("lanyard.Agent.GetTicket", {"origin": "https://app.example", "wait_seconds": 60}),
        ("lanyard.Agent.GetNewTicket", {"wait_seconds": 5}),
        ("lanyard.Agent.GetTicketNoAuth", {"origin": "https://app.example"}),
    ]


def test_an_error_has_the_agents_code_and_sentence(socket_server: SocketServer) -> None:
    socket_server.answers = lambda _: error("UserAbort", TicketCode.USER_ABORT, "The person said no.")
    with AgentSocket() as agent, pytest.raises(AgentError, match=r"^The person said no\.$") as caught:
        agent.get_ticket(None, 1)
    assert (caught.value.code, caught.value.exit_code) == (TicketCode.USER_ABORT, 13)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"error": "org.varlink.service.MethodNotFound", "parameters": {"method": "X"}}, TicketCode.METHOD_MISSING),
        ({"error": "lanyard.Agent.Odd"}, TicketCode.INTERNAL),
        ({"error": "lanyard.Agent.Odd", "parameters": {"code": True, "says": 5}}, TicketCode.INTERNAL),
        ({"error": "lanyard.Agent.Odd", "parameters": {"code": -1, "says": ""}}, TicketCode.INTERNAL),
        ({"error": "lanyard.Agent.New", "parameters": {"code": 0x80400099, "says": "New."}}, 0x80400099),
    ],
)
def test_an_error_without_a_code_gets_one(socket_server: SocketServer, answer: object, code: int) -> None:
    socket_server.answers = lambda _: answer
    with AgentSocket() as agent, pytest.raises(AgentError) as caught:
        agent.get_status()
    assert caught.value.code == code
    assert str(caught.value)


def test_a_sentence_cannot_take_over_the_terminal(socket_server: SocketServer) -> None:
    socket_server.answers = lambda _: error("Odd", 1, "\x1b[2Jgone\n" + "x" * 9999)
    with AgentSocket() as agent, pytest.raises(AgentError) as caught:
        agent.get_status()
    assert str(caught.value).startswith("[2Jgonexxx")
    assert len(str(caught.value)) == agent_socket.MOST_SAID


@pytest.mark.parametrize(
    "answer",
    [
        b"\0",
        b"rubbish\0",
        b"[]\0",
        b"\xff\xfe\0",
        b"[" * 100_000 + b"\0",
        b'{"parameters": []}\0',
        b'{"parameters": {}}\0',
        b'{"parameters": {"ticket": ""}}\0',
        b'{"parameters": {"ticket": 5}}\0',
        b'{"error": 5}\0',
        b'{"error": null}\0',
        b'{"parameters": {"ticket": ' + b"9" * 5000 + b"}}\0",
        b"x" * (agent_socket.MOST_BYTES + 1),
    ],
)
def test_an_answer_that_breaks_the_rules_is_a_typed_error(socket_server: SocketServer, answer: bytes) -> None:
    socket_server.answers = lambda _: answer
    with AgentSocket() as agent, pytest.raises(AgentBroken):
        agent.get_ticket(None, 1)


def test_an_answer_may_come_in_pieces(socket_server: SocketServer) -> None:
    pieces = iter([b'{"parameters": {"tic', b'ket": "T"}}\0'])
    socket_server.answers = lambda _: next(pieces)
    with AgentSocket() as agent:
        asking = threading.Thread(target=lambda: got.append(agent.get_ticket_no_auth(None)))
        got: list[str] = []
        asking.start()
        wait_until(lambda: socket_server.asked)
        socket_server.answer_again()
        asking.join(10)
    assert got == ["T"]


def test_no_socket_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(AgentNotRunning, match="is not there") as caught:
        AgentSocket().get_status()
    assert (caught.value.code, caught.value.exit_code) == (TicketCode.NO_SERVER, 12)


def test_a_killed_agents_socket_is_no_agent(socket_server: SocketServer) -> None:
    socket_server.close()
    with pytest.raises(AgentNotRunning, match="is left from one that has ended"):
        AgentSocket().get_status()


@pytest.fixture
def full_listener(tmp_path: Path) -> Iterator[socket.socket]:
    """Yield a listener at tmp_path/agent that has one connection waiting, and no room for another."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(tmp_path / "agent"))
        listener.listen(0)
        first.connect(str(tmp_path / "agent"))
        yield listener


def test_an_agent_that_takes_no_call_is_busy(
    tmp_path: Path, full_listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_socket, "PATIENCE", 1)
    with pytest.raises(AgentBusy) as caught:
        AgentSocket(tmp_path / "agent").get_status()
    assert caught.value.code == TicketCode.SERVER_BUSY


def test_a_crowd_waits_for_its_turn(tmp_path: Path, full_listener: socket.socket) -> None:
    def ask() -> object:
        with AgentSocket(tmp_path / "agent") as agent:
            return agent.get_status()

    def answer() -> None:
        for _ in range(21):  # the fixture's own, and the crowd
            crowd.append(full_listener.accept()[0])
            crowd[-1].sendall(b'{"parameters":{"state":"no_card"}}\0')

    crowd: list[socket.socket] = []
    full_listener.settimeout(10)
    with ThreadPoolExecutor(21) as threads:
        asked = [threads.submit(ask) for _ in range(20)]
        threads.submit(answer)
    assert all(each.result() == {"state": "no_card"} for each in asked)
    for each in crowd:
        each.close()


def test_without_a_runtime_folder_no_other_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(AgentNotRunning, match="XDG_RUNTIME_DIR is not set"):
        AgentSocket().get_status()


def test_a_path_that_no_socket_can_have_is_no_agent(tmp_path: Path) -> None:
    with pytest.raises(AgentNotRunning, match="cannot be used"):
        AgentSocket(tmp_path / ("x" * 200)).get_status()


def test_an_agent_that_ends_while_it_is_asked(socket_server: SocketServer) -> None:
    socket_server.answers = lambda _: socket_server.close()
    with pytest.raises(AgentNotRunning, match="hung up"):
        AgentSocket().get_status()


def test_an_agent_that_says_nothing_is_given_up(socket_server: SocketServer) -> None:
    socket_server.answers = lambda _: None
    with AgentSocket() as agent:
        with pytest.raises(AgentSilent):
            agent.call("GetStatus", seconds=0.05)
        socket_server.answers = lambda _: {"parameters": {"state": "no_card"}}
        assert agent.get_status() == {"state": "no_card"}  # by a new connection: a late answer is nobody's


def test_a_kept_connection_is_made_anew_when_the_agent_closed_it(socket_server: SocketServer) -> None:
    with AgentSocket() as agent:
        assert agent.get_ticket_no_auth(None) == "TICKET"
        socket_server.hang_up()
        assert agent.get_ticket_no_auth(None) == "TICKET"
    assert len(socket_server.asked) == 2


def test_the_agent_is_hung_up_on_when_the_caller_goes(socket_server: SocketServer) -> None:
    socket_server.answers = lambda _: None
    caller, other_end = socket.socketpair()
    with caller, AgentSocket() as agent:
        threading.Thread(target=lambda: wait_until(lambda: socket_server.asked) and other_end.close()).start()
        with pytest.raises(CallerGone):
            agent.get_ticket(None, 60, caller)
        wait_until(lambda: socket_server.hung_up)


def test_events_come_as_they_happen(socket_server: SocketServer) -> None:
    events = [{"sequence": 1, "event": "signed_in"}, {"sequence": 2, "event": "signed_out", "reason": "card out"}]
    parts = [b'{"continues": true, "parameters": {"sequence": 1, "event": "signed_in"}}\0']
    parts.append(b'{"parameters": {"sequence": 2, "event": "signed_out", "reason": "card out"}}\0')
    socket_server.answers = lambda _: b"".join(parts)
    with AgentSocket() as agent:
        assert list(agent.watch()) == events
    assert socket_server.asked[0]["more"] is True


AS_ANOTHER_USER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
os.setuid(65534)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
connection, _ = listener.accept()
print(connection.recv(100), flush=True)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user for a moment")
def test_another_users_socket_is_sent_nothing(tmp_path: Path) -> None:
    folder = Path("/tmp", f"lanyard-test-{os.getpid()}")
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "agent"
    other = subprocess.Popen([sys.executable, "-c", AS_ANOTHER_USER, path], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(ForeignSocket, match="User 65534"):
            AgentSocket(path).get_ticket(None, 1)
        assert other.stdout.readline() == "b''\n"
    finally:
        other.kill()
        other.communicate()
        path.unlink()
        folder.rmdir()


def test_a_crash_leaves_no_ticket_on_disk() -> None:
    script = (
        "import resource; from bridge.agent_socket import leave_no_core_dump; leave_no_core_dump();"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20).stdout
    assert said == "(0, 0)\n"
