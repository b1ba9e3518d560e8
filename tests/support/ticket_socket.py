"""The agent's ticket socket for tests, with a person in front of the agent who does what the test says.

Fixtures: `runtime` (an XDG_RUNTIME_DIR of the test's own), `live` (an agent without a window that serves the socket
there, with an empty card slot and a running broker).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agent
from agent import Bridge, Broker, CardSource, Conductor, Digest, Mode, State, TicketServer
from demo import EmbeddedReader
from support.agent import Slot
from support.emulator import PASSCODE
from support.machine import wait_until
from support.spine import Spine

AGENT = "lanyard.Agent."
NO_AUTH = json.dumps({"method": "lanyard.Agent.GetTicketNoAuth"}).encode() + b"\0"


class Dialogue:
    """One connection to a Varlink socket, without a client's help."""

    def __init__(self, path: Path, seconds: float = 10) -> None:
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(seconds)
        self._received = b""
        try:
            self.link.connect(str(path))
        except OSError:
            self.link.close()
            raise

    def send(self, method: str, *, interface: str = AGENT, flags: dict[str, bool] | None = None, **values: Any) -> None:
        self.link.sendall(json.dumps({"method": interface + method, "parameters": values, **(flags or {})}).encode())
        self.link.sendall(b"\0")

    def receive(self) -> dict[str, Any]:
        """The next message. Raises EOFError at the end."""
        while b"\0" not in self._received:
            try:
                data = self.link.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.send(method, **parameters)
        return self.receive()

    def is_over(self) -> bool:
        """Wait until the other side has ended the connection; whether nothing came before."""
        try:
            return not self.receive()
        except EOFError:
            return True

    def close(self) -> None:
        self.link.close()

    def __enter__(self) -> Dialogue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def error_name(answer: dict[str, Any]) -> str:
    """The name of a TicketAPI error, whose code is checked."""
    name = str(answer["error"]).removeprefix(AGENT)
    assert answer["parameters"]["code"] == agent.CODES[name], answer
    assert answer["parameters"]["says"].endswith("."), answer
    return name


class LiveAgent:
    """The agent behind its socket: its owner's thread turns here, and the person's hands are the test's."""

    def __init__(
        self,
        reader: CardSource,
        new_broker: Callable[[], Broker],
        slot: Slot | None = None,
        mode: Mode = Mode.NORMAL,
        **settings: Any,
    ) -> None:
        self._slot = slot
        self._stack = contextlib.ExitStack()
        listener = self._stack.enter_context(agent.ticket_socket())
        self.path = agent.runtime_folder() / "agent"
        self.bridge = Bridge()
        self.conductor = Conductor(reader, new_broker, self.bridge, Digest.SHA256, mode=mode)
        self.server = TicketServer(listener, self.conductor, self.bridge, **settings)
        self.requests: list[agent.Request | None] = []
        self.shown = 0
        self._seen: agent.Request | None = None
        self.conductor.on_request = lambda: self.requests.append(self.conductor.request)
        self.conductor.on_show = self._show
        self._ended = False
        self._owner = threading.Thread(target=self._turn, name="owner")
        self._owner.start()
        self.bridge.call(self.conductor.start)

    def _show(self) -> None:
        self.shown += 1

    def _turn(self) -> None:
        while not self._ended:
            self.bridge.wait(0.05)

    @property
    def asked(self) -> agent.Request | None:
        return self.conductor.request

    def does(self, event: agent.Event) -> None:
        self.bridge.call(self.conductor.handle, event)

    def sees(self, *states: State) -> None:
        wait_until(lambda: self.conductor.state in states, what=f"{states}, but {self.conductor.state}")

    def insert(self, card: str = "one-role") -> None:
        assert self._slot
        self._slot.insert(card)

    def pull(self) -> None:
        assert self._slot
        self._slot.pull()

    def types(self, passcode: str = PASSCODE) -> None:
        """Wait until a passcode is asked for, and type it."""
        self.sees(State.PASSCODE, State.LAST_TRY)
        self.bridge.call(self.conductor.type_passcode, passcode)

    def signs_in(self, card: str = "one-role") -> str:
        """Put a card in, and sign in with it; return the ticket. With several roles, the first is chosen."""
        self.insert(card)
        self.types()
        self.sees(State.SIGNED_IN, State.CHOOSING_ROLE)
        session = self.conductor.signed_in().session
        if self.conductor.state is State.CHOOSING_ROLE:
            self.does(agent.RoleChosen(session.roles[0]))
        self.sees(State.SIGNED_IN)
        self.rests()
        return session.ticket

    def rests(self) -> None:
        """Wait until the owner's thread is done with all that was to be done, and programs are told of it."""
        done = threading.Event()
        self.bridge.call(done.set)
        assert done.wait(10)

    def asks(self, question: str = "") -> agent.Request:
        """Wait until a program asks the person something new: by default, to sign in."""
        wait_until(lambda: self.asked not in (None, self._seen) and self._is_asked(question), what="a request")
        assert self.asked
        self._seen = self.asked
        return self.asked

    def _is_asked(self, question: str) -> bool:
        return self.asked is not None and self.asked.question == question

    def dialogue(self, seconds: float = 10) -> Dialogue:
        return Dialogue(self.path, seconds)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One call on a connection of its own."""
        with self.dialogue() as dialogue:
            return dialogue.call(method, **parameters)

    def ends(self) -> None:
        """Do what the agent does at its end, once its window has gone, and not yet what takes long."""
        self._ended = True
        self._owner.join()
        self.conductor.end_all()
        self.server.close()

    def close(self) -> None:
        self.ends()
        self.conductor.close()
        self.bridge.run_pending()
        self._stack.close()
        self.bridge.close()


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


def answer(program: OtherProgram, method: str, **parameters: Any) -> dict[str, Any]:
    """What a program is answered to a call."""
    call = {"method": f"lanyard.Agent.{method}", "parameters": parameters}
    reply = program.call(json.dumps(call).encode() + b"\0")
    parsed: dict[str, Any] = json.loads(reply.partition(b"\0")[0])
    return parsed


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path: that of a socket has at most 107 bytes (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="lanyard-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        os.chmod(folder, 0o700)
        yield Path(folder)


@pytest.fixture
def live(
    request: pytest.FixtureRequest, runtime: Path, spine: Spine, reader: EmbeddedReader, slot: Slot
) -> Iterator[LiveAgent]:
    """An agent that serves the socket, with `slot` for cards, and settings that the test's parameter gives."""
    settings = getattr(request, "param", {})
    live = LiveAgent(reader, lambda: Broker(spine.url, spine.ca_file), slot, **settings)
    yield live
    live.close()
