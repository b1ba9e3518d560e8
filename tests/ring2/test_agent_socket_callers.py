"""Callers that hang, flood, send rubbish or go away cost nobody else anything, and other users get nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from support.machine import need, unavailable, wait_until
from support.ticket_socket import LiveAgent, error_name

import agent
from agent import State

NO_AUTH = json.dumps({"method": "lanyard.Agent.GetTicketNoAuth"}).encode() + b"\0"
NOBODY = 65534  # the user of that name


@pytest.fixture
def ticket(live: LiveAgent) -> Iterator[str]:
    """The ticket of a live session, which a polite caller must get at the end of the test as at its beginning."""
    ticket = live.signs_in()
    yield ticket
    assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.conductor.state is State.SIGNED_IN


@pytest.mark.parametrize("rubbish", [b"\0", b"GET / HTTP/1.1\r\n\r\n\0", b"{}\0", b"\xff\0", b"[" * 9999 + b"\0"])
def test_rubbish_is_told_so_and_hung_up_on(live: LiveAgent, ticket: str, rubbish: bytes) -> None:
    with live.dialogue() as caller:
        caller.link.sendall(rubbish + NO_AUTH)
        assert error_name(caller.receive()) == "InvalidParameter"
        assert caller.is_over()


def test_a_message_without_end_is_hung_up_on(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as caller:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            caller.link.sendall(b"x" * (agent.LONGEST_MESSAGE + 5000))
        assert error_name(caller.receive()) == "InvalidParameter"
        assert caller.is_over()


def test_one_byte_at_a_time_is_a_message_too(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as slow:
        for byte in NO_AUTH:
            slow.link.sendall(bytes([byte]))
            assert live.call("GetTicketNoAuth")["parameters"]["ticket"] == ticket
        assert slow.receive()["parameters"]["ticket"] == ticket


def test_calls_in_one_piece_are_answered_in_order(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as caller:
        calls = [{"method": f"lanyard.Agent.{n}"} for n in range(200)] + [{"method": "lanyard.Agent.GetTicketNoAuth"}]
        caller.link.sendall(b"".join(json.dumps(call).encode() + b"\0" for call in calls))
        caller.link.shutdown(socket.SHUT_WR)
        answers = [caller.receive() for _ in calls]
        assert [each["parameters"]["method"] for each in answers[:-1]] == [call["method"] for call in calls[:-1]]
        assert answers[-1] == {"parameters": {"ticket": ticket}}
        assert caller.is_over()


def test_a_oneway_call_is_not_answered(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as caller:
        caller.send("Show", flags={"oneway": True})
        caller.send("Nothing", flags={"oneway": True})
        assert caller.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.shown == 1


def test_who_never_reads_is_not_served_for_ever(live: LiveAgent, ticket: str) -> None:
    with live.dialogue(1) as deaf:
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                deaf.link.sendall(NO_AUTH)
        (served,) = live.server._callers
        assert len(served.unsent) <= agent.MOST_UNREAD
        assert len(served.received) <= agent.LONGEST_MESSAGE + 4096


def test_a_watcher_that_never_reads_is_hung_up_on(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as deaf, live.dialogue() as reads:
        for watcher in (deaf, reads):
            watcher.send("Watch", flags={"more": True})
            watcher.receive()
        before = len(live.server._callers)
        for n in range(20_000):
            live.server.inbox.call(live.server._tell, "role_changed", "")
            assert reads.receive()["parameters"]["sequence"] == n + 2
            if len(live.server._callers) < before:
                break
        assert len(live.server._callers) == before - 1


def test_who_goes_away_is_asked_for_no_longer(live: LiveAgent) -> None:
    with live.dialogue() as first, live.dialogue() as second:
        first.send("GetTicket", origin="https://first.example")
        assert live.asks().who == "https://first.example"
        second.send("GetTicket", origin="https://second.example")
        first.close()
        wait_until(lambda: live.asked and live.asked.who == "https://second.example", what="the second one asking")
    wait_until(lambda: live.asked is None, what="nothing asked any more")


def test_who_goes_away_in_the_middle_of_a_message(live: LiveAgent, ticket: str) -> None:
    for end in range(0, len(NO_AUTH), 7):
        with live.dialogue() as caller:
            caller.link.sendall(NO_AUTH[:end])
    wait_until(lambda: not live.server._callers, what="no caller left")


def test_a_thousand_callers_at_once_are_all_answered(live: LiveAgent, ticket: str) -> None:
    callers = [live.dialogue(30) for _ in range(1000)]
    for caller in callers:
        caller.send("GetTicketNoAuth")
    assert {caller.receive()["parameters"]["ticket"] for caller in callers} == {ticket}
    for caller in callers:
        caller.close()


def test_a_thousand_who_want_a_sign_in_are_answered_or_refused(live: LiveAgent) -> None:
    callers = [live.dialogue(30) for _ in range(1000)]
    for caller in callers:
        caller.send("GetTicket")
    refused = [error_name(caller.receive()) for caller in callers[agent.MOST_OPEN_CALLS :]]
    assert set(refused) == {"ServerBusy"}
    ticket = live.signs_in()
    waited = callers[: agent.MOST_OPEN_CALLS]
    assert {caller.receive()["parameters"]["ticket"] for caller in waited} == {ticket}
    for caller in callers:
        caller.close()


def test_a_program_with_too_many_connections_loses_its_oldest(
    live: LiveAgent, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of other programs, and those with an open call, stay."""
    monkeypatch.setattr(agent, "MOST_CALLERS", 20)
    with OtherProgram(live) as other, live.dialogue() as watcher:
        watcher.send("Watch", flags={"more": True})
        watcher.receive()
        idle = [live.dialogue() for _ in range(40)]
        assert idle[0].is_over()
        assert idle[-1].call("GetTicketNoAuth")["parameters"]["ticket"] == ticket
        assert ticket.encode() in other.call(NO_AUTH)
        live.server.inbox.call(live.server._tell, "role_changed", "")
        assert watcher.receive()["parameters"]["event"] == "role_changed"
        for each in idle:
            each.close()


PIPE = """
import os, select, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
os.write(1, b"+")
while True:
    for ready in select.select([link, 0], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else link.recv(65536)
        if not data:
            sys.exit()
        link.sendall(data) if ready == 0 else os.write(1, data)
"""


ORPHAN = PIPE.replace('os.write(1, b"+")', 'os.fork() and os._exit(0); os.write(1, b"+")')


class OtherProgram:
    """A program that connects to the agent, and passes on what it is given and what it gets."""

    def __init__(self, live: LiveAgent, *before: str, script: str = PIPE) -> None:
        pipe = subprocess.PIPE
        command = [*before, sys.executable, "-c", script, str(live.path)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self.process.stdout
        self.is_connected = self.process.stdout.read(1) == b"+"

    def call(self, message: bytes) -> bytes:
        """What is answered before the other side hangs up, or else in one reply."""
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(message)
            self.process.stdin.flush()
        return self.process.stdout.read1()

    def __enter__(self) -> OtherProgram:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.complaint = self.process.communicate()[1]


@pytest.fixture
def as_nobody() -> tuple[str, ...]:
    """What is put before a command that another user is to run."""
    need("setpriv")
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
    if os.geteuid() or subprocess.run([*user, sys.executable, "-c", ""], capture_output=True, check=False).returncode:
        unavailable("nobody else can run Python here")
    return user


def test_another_user_cannot_reach_the_socket(live: LiveAgent, ticket: str, as_nobody: tuple[str, ...]) -> None:
    with OtherProgram(live, *as_nobody) as other:
        assert not other.is_connected
    assert b"PermissionError" in other.complaint


def test_another_user_who_reaches_the_socket_gets_no_ticket(
    live: LiveAgent, ticket: str, as_nobody: tuple[str, ...]
) -> None:
    """Where somebody has opened up the folder, and the socket."""
    for path in (live.path.parent.parent, live.path.parent, live.path):
        path.chmod(0o777)
    with OtherProgram(live, *as_nobody) as other:
        assert other.is_connected
        said = other.call(NO_AUTH)
        assert error_name(json.loads(said.rstrip(b"\0"))) == "UserNotValid"
        assert ticket.encode() not in said


def test_many_threads_ask_at_once_while_the_session_ends(live: LiveAgent) -> None:
    """Whoever asks after the end was published gets nothing."""
    ticket = live.signs_in()
    ended = threading.Event()
    late: list[object] = []

    def ask() -> None:
        with live.dialogue() as caller:
            while True:
                is_over = ended.is_set()
                answer = caller.call("GetTicketNoAuth")
                if is_over:
                    late.append(answer.get("error"))
                    return
                assert answer.get("error") or answer["parameters"]["ticket"] == ticket

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    live.pull()
    live.sees(State.WAITING)
    ended.set()
    for thread in threads:
        thread.join()
    assert late == ["lanyard.Agent.TicketNotAvailable"] * 8


def test_the_program_that_asks_is_named(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket")
        assert live.asks().who == os.path.realpath(sys.executable)


def test_a_program_that_has_ended_is_not_taken_for_another(live: LiveAgent) -> None:
    """Its child goes on with the connection, and its number is given to a new program sooner or later."""
    with OtherProgram(live, script=ORPHAN) as other:
        other.process.wait(10)
        (caller,) = wait_until(lambda: live.server._callers, what="a caller")
        assert caller.program() == "a program that is not known"
