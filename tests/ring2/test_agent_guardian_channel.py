"""The guardian and its channels: one that was killed, hostile messages, and what is left of a thousand sign-ins."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from operator import le
from pathlib import Path

import pytest
from flask import Response
from support.agent import Person, Slot, fails
from support.agent_program import ROOT, leaves_no_core, programs_with
from support.machine import wait_until
from support.spine import Spine
from support.spine_client import sign_cms

import agent
from agent import Broker, Channel, Cue, Fault, GuardedBroker, Guardian, Session, State
from demo import EmbeddedReader
from spine_stub.faults import Call
from spine_stub.stub import Stub

MANY = 30


@pytest.fixture
def guardian(spine: Spine) -> Iterator[Guardian]:
    guardian = Guardian(spine.url, spine.ca_file)
    yield guardian
    guardian.close()
    guardian.process.wait(10)


def sign_in(broker: Broker, spine: Spine) -> Session:
    """As the agent does it."""
    challenge, card = broker.activate(), spine.card()
    return broker.validate(card.uid, challenge, sign_cms(card, challenge.data).dump())


def dies(guardian: Guardian) -> None:
    guardian.process.kill()
    guardian.process.wait()


def test_one_that_was_ended_is_started_again(guardian: Guardian, spine: Spine, sessions: Callable[[], int]) -> None:
    dies(guardian)
    with contextlib.closing(guardian.new_broker()) as broker:
        sign_in(broker, spine)
        assert sessions() == 1
    wait_until(lambda: sessions() == 0, what="the log-out")


def test_one_that_is_started_again_holds_the_earlier_sessions_too(
    guardian: Guardian, spine: Spine, sessions: Callable[[], int]
) -> None:
    brokers = [guardian.new_broker() for _ in range(3)]
    opened = [sign_in(broker, spine) for broker in brokers[:2]]
    brokers[0].let_go(settled=True)
    dies(guardian)
    opened.append(sign_in(brokers[2], spine))
    assert sessions() == 3
    for broker in brokers[1:]:
        broker.close()
    wait_until(lambda: sessions() == 1, what="the end of those that are not settled")
    assert not spine.is_over(opened[0].ticket)


def test_no_other_program_of_its_person_can_read_its_memory(spine: Spine) -> None:
    """Neither a core dump nor, for a process that is not dumpable, /proc/PID/mem (proc(5))."""
    dumpable = "import ctypes, agent; agent.keep_memory_private(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    done = subprocess.run([sys.executable, "-c", dumpable], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    guardian = Guardian(spine.url, spine.ca_file)
    wait_until(lambda: leaves_no_core(guardian.process.pid), what="a guardian that keeps its memory to itself")
    guardian.close()
    assert guardian.process.wait(10) == 0


@pytest.mark.parametrize("works", [True, False])
def test_under_systemd_it_gets_a_scope_of_its_own_where_that_is_possible(
    works: bool, spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sessions: Callable[[], int]
) -> None:
    asked = tmp_path / "asked"
    systemd_run = tmp_path / "systemd-run"
    go_on = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"' if works else "exit 1"
    systemd_run.write_text(f'#!/bin/sh\necho "$@" > {asked}\n{go_on}\n')
    systemd_run.chmod(0o700)
    (tmp_path / "systemd").mkdir()
    os.mknod(tmp_path / "systemd" / "private", stat.S_IFSOCK | 0o600)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("INVOCATION_ID", "0" * 32)
    guardian = Guardian(spine.url, spine.ca_file)
    wait_until(asked.exists, what="a call of systemd-run")
    if not works:
        wait_until(lambda: not programs_with(str(systemd_run)), what="the end of systemd-run")
    broker = guardian.new_broker()
    sign_in(broker, spine)
    assert "--user --scope" in asked.read_text()
    broker.close()
    guardian.close()
    wait_until(lambda: sessions() == 0, what="the log-out")
    guardian.process.wait(10)


# The guardian dies while the broker opens a session: the one moment in which nobody is left who knows the ticket.


@pytest.fixture
def person(guardian: Guardian, reader: EmbeddedReader, slot: Slot) -> Iterator[Person]:
    """Somebody who signs in in this process, with a guardian."""
    person = Person(reader, guardian.new_broker)
    slot.insert("one-role")
    yield person
    person.close()


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_who_signs_in_just_then_is_told_and_can_sign_in_again(
    first: bool, guardian: Guardian, person: Person, stub: Stub
) -> None:
    def fault(call: Call) -> Response:
        reply = None if first else call.proceed()
        dies(guardian)
        return reply or call.proceed()

    stub.faults.once(fault, endpoint="authvalidate")
    person.types()
    problem = person.problem()
    assert (problem.fault, problem.technical[-33:]) == (Fault.UNEXPECTED, "the guardian has failed: EOFError")
    # A killed process's files are closed one after the other, and this one may be the last.
    wait_until(lambda: agent.is_readable(guardian._pipe), what="the end of the guardian's pipe")
    person.conductor.handle(Cue.DISMISSED)
    person.types()
    person.sees(State.SIGNED_IN)


def test_without_a_guardian_nobody_signs_in(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guardian, "COMMAND", "nonsense")
    with contextlib.closing(Guardian(spine.url, spine.ca_file)) as guardian:
        for _ in range(2):  # it is started again, in vain
            with contextlib.closing(guardian.new_broker()) as broker, fails(Fault.UNEXPECTED):
                sign_in(broker, spine)
            guardian.process.wait(10)


# What comes through a channel


def test_the_request_is_told_as_any_other(guardian: Guardian, spine: Spine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "lanyard")
    with contextlib.closing(guardian.new_broker()) as broker:
        sign_in(broker, spine)
    (line,) = [line for line in caplog.messages if "login/authvalidate \u2192" in line]
    assert f"[POST {spine.url[8:]}/login/authvalidate \u2192 200, " in line
    assert line.endswith(" ms")


@pytest.mark.parametrize(
    "message", [b"\n", b"rubbish\n", b"[]\n", b"5\n", b"{}\n", b'{"uid": "1"}\n', b'{"body": 5}\n', b'{"body": "x"}\n']
)
def test_a_message_that_makes_no_sense_ends_its_session(
    message: bytes, spine: Spine, sessions: Callable[[], int]
) -> None:
    ours, its = socket.socketpair()
    watching = threading.Thread(target=agent.watch_over, args=(its, spine.url, spine.ca_file))
    watching.start()
    with ours, ours.makefile("rb") as answers:
        held = {"uid": "555000000001", "ticket": spine.login()[1], "logout_url": ""}
        ours.sendall(json.dumps(held).encode() + b"\n" + message)
        assert answers.read() == b""
        watching.join(10)
        assert not sessions()


class LyingGuardian(Guardian):
    """Whose answer to whatever it is asked is this."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def channel(self) -> Channel:
        ours, its = socket.socketpair()
        threading.Thread(target=self._lie, args=(its,)).start()
        return Channel(ours, 5)

    def _lie(self, its: socket.socket) -> None:
        with its, its.makefile("rb") as asked, contextlib.suppress(OSError):
            if asked.readline():
                its.sendall(self._answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n",
        b"rubbish\n",
        b"\xff\n",
        b"[]\n",
        b"5\n",
        b"{}\n",
        b"[" * 100_000 + b"\n",
        b'{"reply": 5}\n',
        b'{"reply": "?"}\n',
        b'{"reply": ""}\n',
        b'{"reply": "", "status": "many"}\n',
        b'{"reply": "", "status": 200, "headers": []}\n',
        b'{"reply": "", "status": 200, "headers": {}}\n',
        b'{"reply": "", "fault": "NONE", "technical": ""}\n',
        b'{"reply": "", "fault": [], "technical": ""}\n',
        b'{"reply": "", "fault": "BROKER_FAULT"}\n',
        b'{"reply": "' + b"A" * 200_000 + b'"}\n',
    ],
)
def test_an_answer_that_makes_no_sense(answer: bytes, spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "LONGEST_MESSAGE", 150_000)
    broker = GuardedBroker(LyingGuardian(answer), spine.url, spine.ca_file)
    with contextlib.closing(broker), fails(Fault.UNEXPECTED):
        sign_in(broker, spine)


def test_nothing_is_left_of_many_sign_ins(guardian: Guardian, spine: Spine, sessions: Callable[[], int]) -> None:
    def files_and_threads() -> list[int]:
        of = guardian.process.pid
        return [len(os.listdir(folder)) for folder in ("/proc/self/fd", f"/proc/{of}/fd", f"/proc/{of}/task")]

    def signs_in_and_out() -> None:
        with contextlib.closing(guardian.new_broker()) as broker:
            session = sign_in(broker, spine)
            broker.log_out(session)
            broker.let_go(settled=True)

    signs_in_and_out()
    before = files_and_threads()
    for _ in range(MANY):
        signs_in_and_out()
    wait_until(lambda: all(map(le, files_and_threads(), before)), what="the end of each channel")
    assert not sessions()
