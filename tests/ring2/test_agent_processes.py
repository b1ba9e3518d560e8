"""The demonstration's programs end with the agent, whatever way that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent_program import AGENT, SitDown, environment, programs_with
from support.machine import TIED_TO_THE_RUN, wait_until


@contextlib.contextmanager
def own_demonstration(options: list[str], **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A demonstration in which everything runs, and nobody types a passcode."""
    agent = subprocess.Popen(
        [*TIED_TO_THE_RUN, *AGENT, "--demo", *options, "login"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**variables),
    )
    assert agent.stderr
    while b"VERIFY" not in agent.stderr.readline():
        assert agent.poll() is None
    yield agent
    if agent.poll() is None:
        agent.kill()
    agent.communicate()


@pytest.fixture
def demonstration(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    with own_demonstration(["--data", str(data)]) as agent:
        yield agent


def children(data: Path, agent: subprocess.Popen[bytes]) -> list[int]:
    return [pid for pid in programs_with(str(data)) if pid != agent.pid]


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_everything(how: str, demonstration: subprocess.Popen[bytes], data: Path) -> None:
    assert len(children(data, demonstration)) == 2
    demonstration.send_signal(signal.Signals[how])
    assert demonstration.wait(5) == 130
    assert not programs_with(str(data))


def test_even_a_killed_agent_leaves_nothing_behind(demonstration: subprocess.Popen[bytes], data: Path) -> None:
    assert len(children(data, demonstration)) == 2
    demonstration.kill()
    demonstration.wait()
    wait_until(lambda: not programs_with(str(data)), 5, "the end of its programs")


def test_a_program_that_dies_is_noticed_as_a_pulled_card(demonstration: subprocess.Popen[bytes], data: Path) -> None:
    (emulator,) = (pid for pid in programs_with(str(data)) if b"emulator" in cmdline(pid))
    os.kill(emulator, signal.SIGKILL)
    assert demonstration.wait(5) == 10
    assert not programs_with(str(data))


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_ctrl_c_at_a_terminal_is_not_the_programs_business(data: Path, at_terminal: SitDown) -> None:
    """They have a session of their own: the agent ends them, after it has logged out."""
    terminal = at_terminal("--demo", "--data", data, "login")
    terminal.sees("Passcode: ")
    terminal.types("\x03")
    assert terminal.ends(5) == 130
    assert not programs_with(str(data))
    assert terminal.echoes


@pytest.mark.parametrize("variable", ["TMPDIR", "XDG_RUNTIME_DIR"])
def test_even_a_killed_demonstration_leaves_no_key_behind(variable: str, tmp_path: Path) -> None:
    variables = {"XDG_RUNTIME_DIR": "/nonexistent"} | {variable: str(tmp_path)}
    with own_demonstration([], **variables) as agent:
        keys = list(tmp_path.rglob("*.key.pem"))
        assert keys
        agent.kill()
        agent.wait()
        wait_until(lambda: not list(tmp_path.iterdir()), 10, "the end of the private keys")


def test_a_temporary_folder_goes_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [*TIED_TO_THE_RUN, *AGENT, "--demo", "login"],
        input=b"123456",
        capture_output=True,
        env=environment(TMPDIR=str(tmp_path), XDG_RUNTIME_DIR="/nonexistent"),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
