"""`python3 -m kiosk hooks` for tests, with a scripted agent in front of it (fixture `kept`) or a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.hooks import process_tree
from support.agent_socket import Message, SocketServer
from support.machine import TIED_TO_THE_RUN, stop, wait_until
from support.source import ROOT

UID, NAME = "555000000101", "Amina Khan"
ROLE = {"id": "100", "name": "Nurse", "org_code": "A99", "org_name": "Ward 9", "group": "g", "sub_group": "s"}
A, B = "a" * 16, "b" * 16
SLEEPS = ["sleep", "1000"]
DAEMON = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(1000)"
MANY = "import os, time\nfor n in range(199):\n if not os.fork(): break\ntime.sleep(1000)"


def toml(program: dict[str, Any]) -> str:
    """A program's table: JSON's texts, numbers and lists of texts are TOML's too."""
    return "[[programs]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in program.items())


class Hooks:
    """The program under test, which serves the agent that listens in a runtime folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.log = folder / "kiosk.toml", folder / "log"
        self.config.write_text("")
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, *programs: dict[str, Any], **settings: Any) -> None:
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        self.config.write_text(lines + "".join(map(toml, programs)))

    def launch(self) -> None:
        command = [*TIED_TO_THE_RUN, sys.executable, "-m", "kiosk", "hooks", "--config", str(self.config)]
        surroundings = os.environ | {"XDG_RUNTIME_DIR": str(self.folder)} | self.environment
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=surroundings, stderr=log)

    def session_folder(self, session: str = A) -> Path:
        return self.folder / "lanyard-kiosk" / session

    def running(self, session: str = "") -> list[int]:
        """The living processes of a session, or of all sessions."""
        return processes_with(f"LANYARD_SESSION_DIR={self.session_folder(session)}")

    def reapers(self) -> list[int]:
        """The processes that each start a session's programs."""
        assert self.process
        return [each.pid for each in process_tree.processes() if each.parent == self.process.pid]

    def tree(self) -> list[int]:
        """All processes that descend from the program's reapers, also those whose environment cannot be seen."""
        assert self.process
        pid = self.process.pid
        return [process.pid for process in process_tree.descendants(pid) if process.parent != pid]

    def close(self) -> None:
        if self.process:
            stop(self.process)


class Kept(Hooks):
    """The program under test, with a scripted agent: what that tells and hears."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.agent = SocketServer(folder)
        self.agent.answers = self._answer
        self.done: list[Message] = []
        self.sequence = 0
        self.now: Message = {"event": "signed_out"}
        self.has_keyboard: Callable[[], bool] = lambda: True

    def _answer(self, request: Message) -> object:
        method, parameters = request["method"].removeprefix("lanyard.Agent."), request["parameters"]
        if method == "Watch":
            assert parameters == {"hooks": True}
            self._watching = self.agent._connections[-1]
            return self._event(self.now) | {"continues": True}
        if method == "HooksDone":
            self.done.append(parameters)
        return {"parameters": {"has_keyboard": self.has_keyboard()} if method == "GetStatus" else {}}

    def _event(self, event: Message) -> Message:
        return {"parameters": {"sequence": self.sequence, "reader": "A reader", **event}}

    def start(self) -> None:
        """Start the program, and wait until it has told the agent that it is ready."""
        number = len(self.done)
        self.launch()
        wait_until(lambda: len(self.done) > number, what="ready hooks")

    def tell(self, event: str, session: str = A, reason: str | None = None, **more: Any) -> Message:
        """Tell an event, wait until it is answered, and return the answer."""
        self.sequence += 1
        number = len(self.done)
        whose = {"session": session, "uid": UID, "cn": NAME, "role": ROLE, "seconds": 1.5}
        told = self._event({"event": event, "reason": reason, **whose, **more}) | {"continues": True}
        self.send(json.dumps(told).encode() + b"\0")

        def answers() -> list[Message]:
            return [answer for answer in self.done[number:] if answer["sequence"] == self.sequence]

        return wait_until(answers, 20, f"an answer to {event}")[0]

    def send(self, data: bytes) -> None:
        """Send bytes to who watches."""
        self._watching.sendall(data)

    def close(self) -> None:
        super().close()
        self.agent.close()


def python(script: str) -> list[str]:
    """The command of a program in Python, which finds this folder's modules."""
    return [sys.executable, "-c", script]


def processes_with(mark: str) -> list[int]:
    """The living processes that have this in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                is_dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
                if mark.encode() in (entry / "environ").read_bytes() and not is_dead:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def running(kept: Kept, session: str = A) -> list[int]:
    """The living processes of one session."""
    return kept.running(session)


def states(pids: list[int]) -> set[str]:
    """The states of processes, as proc(5) has them."""
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Yield hooks that are not started yet, in a runtime folder of the test's own."""
    with tempfile.TemporaryDirectory(prefix="lanyard-") as folder:
        kept = Kept(Path(folder))
        yield kept
        kept.close()
