"""`agent.py ticket`: the ticket of the running agent for scripts, and an exit code for each way to get none."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent_program import AGENT, environment, run_agent
from support.machine import TIED_TO_THE_RUN, wait_until
from support.ticket_socket import LiveAgent

import agent
from agent import AgentError, Cue, Fault, State


class Waiting:
    """A script's `agent.py ticket` that has to wait for the person."""

    def __init__(self, *arguments: str) -> None:
        command = [*TIED_TO_THE_RUN, *AGENT, "ticket", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment())

    def ends(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def waiting(live: LiveAgent) -> Iterator[Waiting]:
    """One that has asked the person to sign in."""
    waiting = Waiting()
    wait_until(lambda: live.asked, 30, "a person who is asked")
    yield waiting
    waiting.process.kill()
    waiting.process.communicate()


@pytest.mark.parametrize("arguments", [(), ("--no-auth",)], ids=str)
def test_the_ticket_and_nothing_else_on_stdout(live: LiveAgent, arguments: tuple[str, ...]) -> None:
    ticket = live.signs_in()
    ended = run_agent("ticket", *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{ticket}\n", "")


def test_nobody_signed_in_and_nobody_to_be_asked(live: LiveAgent) -> None:
    ended = run_agent("ticket", "--no-auth")
    assert (ended.returncode, ended.stdout) == (11, "")
    assert ended.stderr == "Nobody is signed in, so there is no ticket. Sign in first.\n"


def test_no_agent_at_all(runtime: Path) -> None:
    for arguments in ((), ("--no-auth",), ("--new",)):
        ended = run_agent("ticket", *arguments)
        assert (ended.returncode, ended.stdout) == (12, "")
        assert ended.stderr == "The agent is not running. Start it, then sign in.\n"


def test_a_person_is_asked_and_signs_in(live: LiveAgent, waiting: Waiting) -> None:
    ticket = live.signs_in()
    assert waiting.ends()[:2] == (0, f"{ticket}\n")


def test_what_is_waited_for_is_said_on_stderr(live: LiveAgent, waiting: Waiting) -> None:
    assert waiting.process.stderr
    assert waiting.process.stderr.readline() == agent.ASKED_TO_SIGN_IN + "\n"


def test_a_person_refuses(live: LiveAgent, waiting: Waiting) -> None:
    live.asks().answer(False)
    code, out, err = waiting.ends()
    assert (code, out) == (13, "")
    assert "did not want that" in err


@pytest.mark.parametrize(("card", "code"), [("locked", 6), ("expired", 7), ("revoked", 9)])
def test_a_failed_sign_in_has_its_own_exit_code(live: LiveAgent, waiting: Waiting, card: str, code: int) -> None:
    live.insert(card)
    if card == "revoked":
        live.types()
    ended, out, err = waiting.ends()
    assert (ended, out) == (code, "")
    assert live.conductor.problem
    assert str(live.conductor.problem) in err


def test_a_new_ticket(live: LiveAgent) -> None:
    old = live.signs_in()
    waiting = Waiting("--new")
    live.types()
    code, out, _ = waiting.ends()
    assert code == 0
    assert out.strip() not in ("", old)


def test_ctrl_c_ends_the_wait_and_nobody_is_asked_any_more(live: LiveAgent, waiting: Waiting) -> None:
    waiting.process.send_signal(signal.SIGINT)
    assert waiting.ends()[:2] == (130, "")
    wait_until(lambda: live.asked is None, what="nothing asked any more")


def test_an_agent_that_ends_meanwhile(live: LiveAgent, waiting: Waiting) -> None:
    live.server.close()
    code, out, err = waiting.ends()
    assert (code, out) == (12, "")
    assert "The agent has ended." in err


def test_after_log_out_there_is_no_ticket(live: LiveAgent) -> None:
    live.signs_in()
    live.does(Cue.LOG_OUT)
    live.sees(State.SIGNED_OUT)
    assert run_agent("ticket", "--no-auth").returncode == 11


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"rubbish",
        b"\0",
        b"[1]\0",
        b"{}\0",
        b'{"parameters": null}\0',
        b'{"parameters": {}}\0',
        b'{"parameters": {"ticket": null}}\0',
        b'{"parameters": {"ticket": ""}}\0',
        b'{"parameters": {"ticket": "x\\u001b[31m"}}\0',
        b'{"error": 5, "parameters": "abc"}\0',
        b"[" * 200_000 + b"\0",
        b"x" * (agent.LONGEST_MESSAGE + 2),
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_who_answers_nonsense_is_no_agent(runtime: Path, answer: bytes) -> None:
    with impostor(runtime, answer), pytest.raises(AgentError) as caught:
        agent.fetch_ticket(no_auth=True, new=False)
    assert caught.value.fault is Fault.NOT_RUNNING


def test_an_answer_in_drops_is_not_waited_for_for_ever(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "CLIENT_SECONDS", 0.5)
    with impostor(runtime, b" " * 1_000_000, pause=0.05), pytest.raises(AgentError) as caught:
        agent.fetch_ticket(no_auth=True, new=False)
    assert caught.value.fault is Fault.NOT_RUNNING


def test_another_user_s_agent_is_asked_nothing(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "peer", lambda link: (1, os.geteuid() + 1))
    with impostor(runtime, b'{"parameters": {"ticket": "x"}}\0') as heard, pytest.raises(AgentError) as caught:
        agent.fetch_ticket(no_auth=True, new=False)
    assert caught.value.fault is Fault.NOT_RUNNING
    assert heard == []


@contextlib.contextmanager
def impostor(runtime: Path, answer: bytes, pause: float = 0) -> Iterator[list[bytes]]:
    """Somebody else who listens where the agent does: what they hear of the first caller, whom they answer this."""
    (runtime / "lanyard").mkdir()
    heard: list[bytes] = []
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            link, _ = listener.accept()
            with link:
                heard.extend(filter(None, [link.recv(4096)]))
                for start in range(0, len(answer), 1 if pause else max(1, len(answer))):
                    link.sendall(answer[start : start + 1] if pause else answer)
                    if ended.wait(pause):
                        return

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(runtime / "lanyard/agent"))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield heard
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_full_queue_is_waited_for(live: LiveAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket with a time limit does not wait for a place in it by itself."""
    ticket, full = live.signs_in(), [errno.EAGAIN, errno.EAGAIN]

    class Queued(socket.socket):
        def connect_ex(self, address: Any) -> int:
            return full.pop() if full else super().connect_ex(address)

    monkeypatch.setattr(socket, "socket", Queued)
    assert agent.fetch_ticket(no_auth=True, new=False) == ticket
    assert not full


def test_its_help_has_its_own_exit_codes() -> None:
    said = " ".join(run_agent("ticket", "--help").stdout.split())
    for fault in (Fault.NO_TICKET, Fault.NOT_RUNNING, Fault.GIVEN_UP):
        assert f" {fault.exit_code} " in said


def test_one_way_or_the_other() -> None:
    assert run_agent("ticket", "--no-auth", "--new").returncode == 2
