"""The agent killed at any moment of a sign-in leaves no session at the broker, though nobody has the ticket yet."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Response
from support.agent import Slot
from support.agent_program import AGENT, AtTerminal, SitDown, at, guardian_of, has_ended
from support.machine import TIED_TO_THE_RUN, need, wait_until
from support.screen import Display
from support.spine import Spine

from spine_stub.faults import Call, Fault
from spine_stub.stub import Stub

SEED = 20261127
LONGEST_SECONDS = 0.4  # from Enter until somebody with one role is signed in, with time to spare


@pytest.fixture
def slot(data: Path, port: int) -> Iterator[Slot]:
    slot = Slot(data, f"127.0.0.1:{port}")
    yield slot
    slot.close()


@pytest.fixture
def logged_out(spine: Spine, sessions: Callable[[], int]) -> Callable[[], bool]:
    """Whether a session was ended, and none is open."""
    return lambda: any("authlogout" in line for line in spine.log) and not sessions()


@pytest.fixture
def terminal(at_terminal: SitDown, spine: Spine, port: int, slot: Slot) -> AtTerminal:
    """Of somebody who is asked for a passcode."""
    terminal = at_terminal(*at(spine, port), "login")
    terminal.sees("Put your card")
    slot.insert("one-role")
    terminal.sees("Passcode: ")
    return terminal


def killing(process: subprocess.Popen[bytes], *, first: bool) -> Fault:
    """The reply of a broker before whose work, or after it, the program is killed."""

    def fault(call: Call) -> Response:
        reply = None if first else call.proceed()
        process.kill()
        process.wait()
        return reply or call.proceed()

    return fault


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("endpoint", ["authvalidate", "RoleSelectionGP.jsp", "authlogout"])
def test_while_the_broker_does_something(
    endpoint: str, first: bool, terminal: AtTerminal, stub: Stub, logged_out: Callable[[], bool]
) -> None:
    stub.faults.once(killing(terminal.process, first=first), endpoint=endpoint)
    terminal.types("123456\n")
    assert terminal.ends() == -signal.SIGKILL
    wait_until(logged_out, what="the log-out")


def test_while_the_answer_is_late(
    terminal: AtTerminal, stub: Stub, sessions: Callable[[], int], logged_out: Callable[[], bool]
) -> None:
    stub.faults.once("delay", 1, endpoint="authvalidate")
    terminal.types("123456\n")
    wait_until(lambda: sessions() == 1, what="a session whose ticket is on its way")
    terminal.signals(signal.SIGKILL)
    wait_until(logged_out, what="the log-out")


def test_while_an_answer_comes_that_is_of_no_use(
    terminal: AtTerminal, stub: Stub, logged_out: Callable[[], bool]
) -> None:
    """The broker takes itself for the cause, and does not know that it has opened a session."""
    killed = killing(terminal.process, first=False)

    def fault(call: Call) -> Response:
        reply = killed(call)
        reply.status_code, reply.content_type = 500, "text/plain"
        reply.set_data(reply.get_data()[:-20])
        return reply

    stub.faults.once(fault, endpoint="authvalidate")
    terminal.types("123456\n")
    wait_until(logged_out, what="the log-out")


def test_a_window(
    display: Display, spine: Spine, port: int, slot: Slot, stub: Stub, logged_out: Callable[[], bool]
) -> None:
    need("xdotool", "tkinter")
    process = subprocess.Popen([*TIED_TO_THE_RUN, *AGENT, *at(spine, port)], env=display.environment)
    try:
        search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "Lanyard", "windowfocus"]
        subprocess.run(search, env=display.environment, check=True, timeout=20)
        stub.faults.once(killing(process, first=False), endpoint="authvalidate")
        slot.insert("one-role")
        wait_until(lambda: "authactivate" in "".join(spine.log), what="a card that was noticed")
        display.type("123456")
        wait_until(lambda: display.key("Return") or process.poll(), what="the end")
        wait_until(logged_out, what="the log-out")
    finally:
        process.kill()
        process.wait()


def at_random(terminal: AtTerminal, chance: random.Random, sessions: Callable[[], int]) -> None:
    """Kill it some time after Enter. The guardian ends once there is nothing left to do."""
    guardian = guardian_of(terminal.process.pid)
    terminal.types("123456\n")
    time.sleep(chance.uniform(0, LONGEST_SECONDS))
    terminal.signals(signal.SIGKILL)
    wait_until(lambda: has_ended(guardian), what="the end of the guardian")
    assert not sessions()


@pytest.mark.parametrize("number", range(3))
def test_at_random(number: int, terminal: AtTerminal, sessions: Callable[[], int]) -> None:
    at_random(terminal, random.Random(SEED + number), sessions)  # noqa: S311  no secret


@pytest.mark.long
@pytest.mark.parametrize("number", range(3, 300))
def test_at_many_random_moments(number: int, terminal: AtTerminal, sessions: Callable[[], int]) -> None:
    at_random(terminal, random.Random(SEED + number), sessions)  # noqa: S311  no secret
