"""A shared PC: the agent's window as a program, pcscd and vpcd, a screen with keyboard and mouse, and a broker.

Fixture: `kiosk`, with an empty reader. What the agent is doing is asked of its ticket socket.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.agent import Slot
from support.agent_program import AGENT
from support.machine import TIED_TO_THE_RUN, need, stop, wait_until
from support.reader import Pcscd, vpcd_has_a_card
from support.screen import Display
from support.spine import Spine
from support.ticket_socket import Dialogue

WORKING = "working", "passcode", "choosing_role"


class Kiosk:
    """`options` are the agent's, beside those that name the broker."""

    def __init__(
        self, display: Display, slot: Slot, spine: Any, runtime: Path, *options: str, program: Sequence[str] = AGENT
    ) -> None:
        self.display, self.slot, self.spine = display, slot, spine
        self.log = runtime / "agent.log"
        self._socket = runtime / "lanyard" / "agent"
        self._environment = {"XDG_RUNTIME_DIR": str(runtime), "XDG_CONFIG_HOME": str(runtime)}
        self._command = [*program, "--spine", spine.url, "--ca-file", str(spine.ca_file), *options]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**self.display.environment, **self._environment}
        with self.log.open("ab") as log:
            return subprocess.Popen([*TIED_TO_THE_RUN, *self._command], env=environment, stderr=log)

    def starts_again(self) -> None:
        """Start the agent again once it has ended, as a unit with Restart=always does."""
        self.process.wait(20)
        self.process = self._start()

    def status(self) -> dict[str, Any]:
        """What GetStatus says, with the state `not_running` where nobody answers."""
        try:
            return self.asks("GetStatus")
        except (OSError, EOFError):
            return {"state": "not_running"}

    def asks(self, method: str) -> dict[str, Any]:
        """Raises OSError, EOFError where the agent does not answer, KeyError where it refuses."""
        with Dialogue(self._socket) as dialogue:
            return dict(dialogue.call(method)["parameters"])

    def sees(self, *states: str, deadline: float = 20) -> str:
        """Wait for one of these states; return it."""
        ends = time.monotonic() + deadline
        while (state := self.status()["state"]) not in states:
            if time.monotonic() > ends:
                pytest.fail(f"it is {state} and not one of {states}; ended: {self.process.poll()}\n{self.says()}")
            time.sleep(0.005)
        return str(state)

    def says(self) -> str:
        """What a person who looks into it has to go by."""
        return self.log.read_text()[-2000:]

    def focuses(self) -> None:
        """Give the window the keyboard, as a person's click does: no window manager runs here."""
        search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "Lanyard", "windowfocus"]
        subprocess.run(search, env=self.display.environment, check=True, timeout=20)

    def types(self, passcode: str) -> None:
        """Type it and press Enter, until it was taken: a key that comes too soon is meant for the screen before."""
        self.sees("passcode")
        self.display.type(passcode)
        self.enters("passcode")

    def enters(self, state: str, *keys: str) -> None:
        """Press these keys, or Enter, until the agent is in that state no longer."""
        self.presses_until(lambda: self.status()["state"] != state, *keys)

    def presses_until(self, condition: Callable[[], bool], *keys: str) -> None:
        """Again and again: what comes too soon is meant for the screen before."""

        def holds() -> bool:
            self.display.key(*keys or ("Return",))
            return condition()

        wait_until(holds, 20, f"what {keys} is for")

    def chooses_a_role(self) -> None:
        """One of the first."""
        self.sees("choosing_role")
        self.enters("choosing_role", "Down", "Return")
        self.sees("signed_in")

    def ticket(self) -> str:
        """As a program gets it that was started after the person signed in: no other does, at a kiosk."""
        environment = {**self.display.environment, **self._environment}
        command = [*AGENT, "ticket", "--no-auth"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    def family(self) -> list[int]:
        """The agent and its children: the guardian, and with PKCS#11 the process with the module."""
        family = [self.process.pid]
        for thread in Path(f"/proc/{self.process.pid}/task").glob("*/children"):  # each has those that it started
            with contextlib.suppress(OSError):  # it has ended meanwhile
                family += map(int, thread.read_text().split())
        return family

    def close(self) -> None:
        stop(self.process)


def set_passcode(data: Path, card: str, passcode: str) -> None:
    """Give a demonstration card a passcode of its own: 123456 is in many a number."""
    path = data / "cards" / card / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "passcode": passcode}))


@contextlib.contextmanager
def running(kiosk: Kiosk) -> Iterator[Kiosk]:
    """Until the end of the block, with the window in front."""
    try:
        kiosk.sees("no_card", "no_reader", "passcode")
        kiosk.focuses()
        yield kiosk
    finally:
        kiosk.close()


@pytest.fixture
def kiosk_slot(data: Path, pcscd: Pcscd) -> Iterator[Slot]:
    """The slot of vpcd's first reader, once pcscd has seen that the last test's card is gone."""
    wait_until(lambda: not vpcd_has_a_card(pcscd.vpcd), what="an empty reader")
    slot = Slot(data, pcscd.vpcd)
    yield slot
    slot.close()


@pytest.fixture
def start_kiosk(display: Display, kiosk_slot: Slot, spine: Spine, tmp_path: Path) -> Iterator[Callable[..., Kiosk]]:
    """start_kiosk("--kiosk", ...) starts the agent with these options; it ends with the test."""
    need("xdotool", "tkinter")
    with contextlib.ExitStack() as stack:
        yield lambda *options: stack.enter_context(running(Kiosk(display, kiosk_slot, spine, tmp_path, *options)))


@pytest.fixture
def kiosk(start_kiosk: Callable[..., Kiosk]) -> Kiosk:
    return start_kiosk()
