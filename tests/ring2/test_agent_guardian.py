"""No session stays open at the broker, whatever way the agent dies and whatever the broker does meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.agent import Person, Slot
from support.agent_program import AGENT, AtTerminal, SitDown, at, guardian_of, has_ended, leaves_no_core, run_agent
from support.emulator import EmulatorProgram
from support.machine import TIED_TO_THE_RUN, need, wait_until
from support.screen import Display, own_display
from support.spine import Spine

import agent
from agent import Colour, Cue, Fault, Guardian, State
from demo import EmbeddedReader
from spine_stub.stub import Stub


@pytest.fixture
def slot(data: Path, port: int) -> Iterator[Slot]:
    slot = Slot(data, f"127.0.0.1:{port}")
    yield slot
    slot.close()


@pytest.fixture
def terminal(spine: Spine, port: int, slot: Slot, sessions: Callable[[], int], at_terminal: SitDown) -> AtTerminal:
    """The agent in a terminal; a person has signed in there, and is asked for a role."""
    terminal = at_terminal(*at(spine, port), "login")
    terminal.sees("Put your card")
    slot.insert("three-roles")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    terminal.sees("Which role? Number: ")
    assert sessions() == 1
    return terminal


def ignores(pid: int, number: signal.Signals) -> bool:
    (mask,) = re.findall(r"SigIgn:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(mask, 16) >> number - 1 & 1)


# Every way to die


@pytest.mark.parametrize("how", ["SIGKILL", "SIGHUP", "SIGQUIT", "SIGTERM", "SIGABRT"])
def test_a_signal(how: str, terminal: AtTerminal, sessions: Callable[[], int]) -> None:
    assert leaves_no_core(terminal.process.pid)
    terminal.signals(signal.Signals[how])
    terminal.ends()
    wait_until(lambda: sessions() == 0, what="the log-out")


def test_out_of_memory_takes_the_whole_process_group(terminal: AtTerminal, sessions: Callable[[], int]) -> None:
    os.killpg(os.getpgid(terminal.process.pid), signal.SIGKILL)
    wait_until(lambda: sessions() == 0, what="the log-out")


@pytest.mark.parametrize("how", ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"])
def test_what_ends_programs_does_not_end_the_guardian(
    how: str, terminal: AtTerminal, sessions: Callable[[], int]
) -> None:
    guardian = guardian_of(terminal.process.pid)
    number = signal.Signals[how]
    wait_until(lambda: ignores(guardian, number), what="a guardian that has started")
    os.kill(guardian, number)
    terminal.signals(signal.SIGKILL)
    wait_until(lambda: sessions() == 0, what="the log-out")
    wait_until(lambda: has_ended(guardian), what="the end of the guardian")


def has_drawn(display: Display, colour: Colour) -> bool:
    """Whether the screen shows the colour and rests: Xlib ends a program that draws on a window that is gone."""
    before = display.colours()
    return colour.upper() in before and display.colours() == before


@contextlib.contextmanager
def signed_in_window(display: Display, spine: Spine, port: int, slot: Slot) -> Iterator[subprocess.Popen[bytes]]:
    """The agent's window as a program; a person has signed in there."""
    need("xdotool", "tkinter")
    process = subprocess.Popen([*TIED_TO_THE_RUN, *AGENT, *at(spine, port)], env=display.environment)
    search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "Lanyard", "windowfocus"]
    subprocess.run(search, env=display.environment, check=True, timeout=20)
    slot.insert("one-role")
    wait_until(lambda: "authactivate" in "".join(spine.log), what="a card that was noticed")
    display.type("123456")
    store = Stub.of(spine.app).broker.store

    def signed_in() -> bool:
        display.key("Return")  # not heeded at once: a key can be meant for the screen before
        return any(session.role_id for session in store.sessions().values())

    try:
        wait_until(signed_in, what="a session")
        wait_until(lambda: has_drawn(display, Colour.GREEN), what="the screen that says so")
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_x_server_ends(spine: Spine, port: int, slot: Slot, sessions: Callable[[], int]) -> None:
    """Xlib ends the process, without an exception."""
    with contextlib.ExitStack() as screen:
        display = screen.enter_context(own_display())
        with signed_in_window(display, spine, port, slot) as agent:
            screen.close()
            assert agent.wait(10) == 1
            wait_until(lambda: sessions() == 0, what="the log-out")


@pytest.mark.parametrize("how", ["windowkill", "windowclose"])
def test_the_window_is_destroyed(
    how: str, display: Display, spine: Spine, port: int, slot: Slot, sessions: Callable[[], int]
) -> None:
    with signed_in_window(display, spine, port, slot) as agent:
        search = ["xdotool", "search", "--name", "Lanyard", how]
        subprocess.run(search, env=display.environment, check=True, timeout=20)
        assert agent.wait(10) == (1 if how == "windowkill" else 0)  # Xlib's own end where it has no connection left
        wait_until(lambda: sessions() == 0, what="the log-out")


# The broker is away


@pytest.mark.parametrize("fault", ["drop", "http-503", "half-body", "not-xml"])
def test_a_log_out_that_is_not_confirmed_is_tried_again_even_after_the_agent_has_ended(
    fault: str, terminal: AtTerminal, stub: Stub, sessions: Callable[[], int]
) -> None:
    stub.faults.once(fault, endpoint="authlogout", times=3)
    terminal.reads()
    terminal.types("1\n")
    terminal.sees("did not confirm that you are signed out")
    terminal.ends()
    wait_until(lambda: sessions() == 0, what="the log-out")


@pytest.fixture
def person(spine: Spine, port: int, slot: Slot) -> Iterator[Person]:
    """Somebody who signs in in this process, with a guardian."""
    guardian = Guardian(spine.url, spine.ca_file)
    person = Person(EmbeddedReader(port), guardian.new_broker)
    slot.insert("one-role")
    yield person
    person.close()
    guardian.close()
    guardian.process.wait(10)


def test_the_window_is_told_whether_the_log_out_was_confirmed(
    person: Person, stub: Stub, sessions: Callable[[], int]
) -> None:
    person.types()
    person.sees(State.SIGNED_IN)
    stub.faults.once("drop", endpoint="authlogout", times=2)
    person.conductor.handle(Cue.LOG_OUT)
    assert person.conductor.log_out_confirmed is None
    person.waits(lambda: person.conductor.log_out_confirmed is not None, "answer to the log-out")
    assert person.conductor.log_out_confirmed is False
    assert person.state is State.SIGNED_OUT
    wait_until(lambda: sessions() == 0, what="the log-out")


def test_a_session_that_is_opened_too_late_is_ended(
    person: Person, stub: Stub, sessions: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "ANSWER_SECONDS", 0.3)
    stub.faults.once("delay", 1, endpoint="authvalidate")
    person.types()
    assert person.problem().fault is Fault.BROKER_TIMEOUT
    wait_until(lambda: sessions() == 1, what="a session that is too late")
    wait_until(lambda: sessions() == 0, what="the log-out")
    assert person.state is State.PROBLEM


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
def test_an_answer_that_comes_after_the_end_was_asked_for_opens_no_session(
    how: str, spine: Spine, port: int, slot: Slot, stub: Stub, sessions: Callable[[], int], at_terminal: SitDown
) -> None:
    stub.faults.once("delay", 7, endpoint="authvalidate")
    terminal = at_terminal(*at(spine, port), "login")
    terminal.sees("Put your card")
    slot.insert("one-role")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    wait_until(lambda: sessions() == 1, what="a session whose ticket is on its way")
    terminal.signals(signal.Signals[how])
    assert terminal.ends() == 130
    wait_until(lambda: sessions() == 0, what="the log-out")


# What it is not to do


def test_a_session_that_is_kept_stays(spine: Spine, data: Path, port: int, sessions: Callable[[], int]) -> None:
    emulator = EmulatorProgram(data, f"127.0.0.1:{port}", "one-role")
    done = run_agent(*at(spine, port), "login", "--json", "--keep")
    emulator.stop()
    assert done.returncode == 0, done.stderr
    assert sessions() == 1
    assert not spine.is_over(json.loads(done.stdout)["ticket"])
