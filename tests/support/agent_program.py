"""agent.py as a program: run to its end with a pipe, or in front of a person at a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from agent import SETTLE_SECONDS, Guardian
from support.machine import TIED_TO_THE_RUN, need
from support.spine import Spine

ROOT = Path(__file__).resolve().parents[2]
AGENT = [sys.executable, str(ROOT / "agent.py")]
# setsid(1) makes the terminal the program's own, so that Ctrl-C and getpass reach it.
OWN_TERMINAL = ("setsid", "--ctty")
# README.md, "Exit code": exit code, and what the outcome is known by.
OUTCOMES: dict[str, tuple[int, int | str]] = {
    "three-roles": (0, 3),
    "one-role": (0, 1),
    "forty-roles": (0, 40),
    "no-role": (0, 0),
    "expiring": (0, 1),
    "expired": (7, "expired"),
    "revoked": (9, "did not accept this card"),
    "locked": (6, "locked"),
    "prescriber": (0, 1),
}


def environment(**changed: str) -> dict[str, str]:
    """The environment of a PC without a display."""
    return {**{k: v for k, v in os.environ.items() if k != "DISPLAY"}, **changed}


def run_agent(
    *arguments: str | Path, stdin: str = "123456\n", stdout: int | IO[str] = subprocess.PIPE, **changed: str
) -> subprocess.CompletedProcess[str]:
    """Run agent.py with this on standard input, which is no terminal."""
    return subprocess.run(
        [*TIED_TO_THE_RUN, *AGENT, *map(str, arguments)],
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env=environment(**changed),
        check=False,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def at(spine: Spine, port: int) -> list[str]:
    """The options to sign in at that broker with an embedded reader on that port."""
    return [*("--spine", spine.url, "--ca-file", str(spine.ca_file)), *("--reader", f"embedded:{port}")]


def programs_with(text: str) -> list[int]:
    """The processes that have this in their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return found


def guardian_of(parent: int) -> int:
    """The process that watches over this one."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (guardian,) = {int(child) for child in children} & set(programs_with(f"agent.py\0{Guardian.COMMAND}"))
    return guardian


def leaves_no_core(pid: int) -> bool:
    return bool(re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE))


def has_ended(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


class AtTerminal:
    """agent.py in a terminal of its own, and the person who sits there."""

    def __init__(self, *arguments: str | Path, **changed: str) -> None:
        self._ours, self._its = os.openpty()
        self.process = subprocess.Popen(
            [*TIED_TO_THE_RUN, *OWN_TERMINAL, *AGENT, *map(str, arguments)],
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            env=environment(**changed),
        )
        self.shown = ""
        self._seen = 0

    def sees(self, text: str, deadline: float = 15) -> None:
        """Wait until this is shown, after what was seen before."""
        ends = time.monotonic() + deadline
        while text not in self.shown[self._seen :]:
            if time.monotonic() > ends or (not self._read(0.2) and self.process.poll() is not None):
                pytest.fail(f"{text!r} is not shown, but {self.shown!r}")
        self._seen = self.shown.index(text, self._seen) + len(text)

    def reads(self) -> None:
        """Let the time pass in which a line is taken for an answer to the question before."""
        ends = time.monotonic() + SETTLE_SECONDS
        while (left := ends - time.monotonic()) > 0:
            self._read(left)

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def signals(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self, deadline: float = 15) -> int:
        """Wait for the end; return the exit code."""
        until = time.monotonic() + deadline
        while self.process.poll() is None:
            if time.monotonic() > until:
                pytest.fail(f"it does not end, but shows {self.shown!r}")
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        flags: list[Any] = termios.tcgetattr(self._its)
        return bool(flags[3] & termios.ECHO)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._its)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return True


SitDown = Callable[..., AtTerminal]


@pytest.fixture
def port() -> int:
    """A free one, for the reader of agent.py."""
    return free_port()


@pytest.fixture
def at_terminal() -> Iterator[SitDown]:
    """at_terminal(*arguments) starts agent.py in a terminal of its own; it ends with the test, however that ends."""
    need("setsid")
    with contextlib.ExitStack() as stack:

        def sit_down(*arguments: str | Path, **changed: str) -> AtTerminal:
            return stack.enter_context(contextlib.closing(AtTerminal(*arguments, **changed)))

        yield sit_down
