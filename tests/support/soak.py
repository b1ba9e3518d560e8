"""Many people at one kiosk, and what goes wrong there meanwhile; what must hold after each of them, and at the end.

All chance comes from one seed. A visit is a card that goes in, what happens then, and the card that goes out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.agent import Slot
from support.agent_program import ROOT
from support.emulator import PASSCODE, tries_left_on_disk
from support.kiosk import Kiosk
from support.machine import wait_until
from support.reader import Pcscd
from support.screen import own_display

CARDS = ("three-roles", "one-role", "no-role", "expiring", "prescriber")
LOOK_SECONDS = 0.5  # pcscd looks every 0.4 s; a card that is out for less, after a pull in mid-command, it misses
LOST_SECONDS = 20.0  # a log-out that the broker spoils is tried again after 1, 2 and 4 s
FAULTS = ("drop", "half-body", "http-503", "not-xml", "invalid-input", "missing-field")
LEFT_OPEN = {"authvalidate": ("http-503", "invalid-input", "not-xml")}  # the others lose a ticket on its way


@dataclass(frozen=True)
class Counts:
    """How much an agent has of everything, with nobody there."""

    memory: int  # KiB, resident
    descriptors: int
    threads: int
    widgets: int
    commands: int

    def resources(self) -> tuple[int, ...]:
        """All but the memory, which is never quite the same."""
        return dataclasses.astuple(self)[1:]

    def __str__(self) -> str:
        more = f"{self.descriptors} files, {self.threads} threads, {self.widgets} widgets, {self.commands} Tcl commands"
        return f"{self.memory} KiB, {more}"


@dataclass
class Soak:
    """`screen` opens and closes the X server; `brutal`: the agent and the X server are killed too."""

    kiosk: ProbedKiosk
    pcscd: Pcscd
    second: Slot
    random: random.Random
    brutal: bool = True
    done: Counter[str] = field(default_factory=Counter)
    sign_ins: int = 0
    doing: str = ""
    present: dict[str, Any] = field(default_factory=dict)  # who is signed in, as GetStatus says

    def run(self, sign_ins: int) -> None:
        """Until so many people more have been signed in."""
        until = self.sign_ins + sign_ins
        while self.sign_ins < until:
            weights = {visit: weight for visit, weight in VISITS.items() if self.brutal or visit not in BRUTAL}
            (visit,) = self.random.choices([*weights], [*weights.values()])
            self.doing = visit.__name__
            visit(self)
            self.done[visit.__name__] += 1

    # What a person does.

    def comes(self, slot: Slot | None = None) -> str:
        card = self.random.choice(CARDS)
        (slot or self.kiosk.slot).insert(card)
        self.kiosk.sees("passcode")
        self.shows_nobody_else(None)
        return card

    def signs_in(self) -> None:
        self.kiosk.types(PASSCODE)
        if self.kiosk.sees("signed_in", "choosing_role") == "choosing_role":
            self.kiosk.chooses_a_role()
        self.sign_ins += 1
        before, self.present = self.present, self.kiosk.status()
        self.shows_nobody_else(self.present)
        assert self.open_sessions() == 1, f"{self.open_sessions()} sessions while {before} has gone"

    def goes(self, slot: Slot | None = None) -> None:
        (slot or self.kiosk.slot).pull()
        self.kiosk.sees("no_card")
        self.is_over()

    # What must hold.

    def is_over(self) -> None:
        wait_until(lambda: not self.open_sessions(), LOST_SECONDS, "the end of the session at the broker")
        self.shows_nobody_else(None)

    def open_sessions(self) -> int:
        return len(self.kiosk.store.sessions())

    def shows_nobody_else(self, person: dict[str, Any] | None) -> None:
        """Of everybody but this person, no name and no number is on any widget."""
        text = self.kiosk.look()["text"]
        names = {status[name] for status in self.kiosk.people for name in ("cn", "uid")}
        own = {person["cn"], person["uid"]} if person else set()
        if person:
            self.kiosk.people.append(person)
        card = re.findall(r"\d{12}", text) if not person else []  # whose passcode is asked for
        assert not [name for name in names - own - {*card} if name in text], text
        assert len({*card}) <= 1, text

    def counts(self) -> Counts:
        """At rest: what has ended may take a moment to be gone."""
        wait_until(lambda: len(self.kiosk.family()) == 2, what="one agent with one guardian")
        wait_until(lambda: self.kiosk.is_at_rest(), what="the end of all that was going on")
        return self.kiosk.counts()


class ProbedKiosk(Kiosk):
    """The kiosk's agent, into which a test can look; its X server can end."""

    def __init__(self, slot: Slot, spine: Any, store: Any, runtime: Path, *options: str) -> None:
        self._probe = runtime / "probe"
        self.store, self.people = store, list[dict[str, Any]]()
        self._screen = contextlib.ExitStack()
        display = self._screen.enter_context(own_display())
        program = [sys.executable, str(ROOT / "tests/support/probed_agent.py"), str(self._probe)]
        super().__init__(display, slot, spine, runtime, "--kiosk", *options, program=program)
        self.sees("no_card")

    def look(self) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self._probe))
            said = b""
            while data := link.recv(1 << 16):
                said += data
        return dict(json.loads(said))

    def says(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            return f"{super().says()}\n{self.look()['text']}"
        return super().says()

    def counts(self) -> Counts:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        memory = int(re.findall(r"VmRSS:\s+(\d+)", status)[0])
        descriptors = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        seen = self.look()
        return Counts(memory, descriptors, seen["threads"], seen["widgets"], sum(seen["commands"].values()))

    def is_at_rest(self) -> bool:
        """Threads that wait for a broker or a timer have ended."""
        before = self.counts().resources()
        time.sleep(0.1)
        return self.counts().resources() == before

    def is_killed(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.starts_again()
        self.sees("no_card", "passcode", "no_reader")

    def loses_its_screen(self) -> None:
        self._screen.close()
        self.process.wait(10)
        self.display = self._screen.enter_context(own_display())
        self.starts_again()
        self.sees("no_card", "passcode", "no_reader")

    def close(self) -> None:
        super().close()
        self._screen.close()


def second_reader(pcscd: Pcscd) -> str:
    """HOST:PORT of vpcd's other reader."""
    host, port = pcscd.vpcd.rsplit(":", 1)
    return f"{host}:{int(port) + 1}"


# The visits.


def plain(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    soak.goes()


def logs_out(soak: Soak) -> None:
    """And leaves the card in for a moment."""
    soak.comes()
    soak.signs_in()
    soak.kiosk.asks("DestroyTicket")
    soak.kiosk.sees("signed_out")
    soak.goes()


def wrong_passcode(soak: Soak) -> None:
    folder = soak.kiosk.spine.data / "cards" / soak.comes()
    soak.kiosk.display.type("000000")
    soak.kiosk.presses_until(lambda: tries_left_on_disk(folder) == 2)
    soak.kiosk.sees("passcode")
    soak.signs_in()
    soak.goes()


def pulls_early(soak: Soak) -> None:
    """Somewhere between Enter and the session."""
    soak.comes()
    soak.kiosk.types(PASSCODE)
    time.sleep(soak.random.uniform(0, 0.3))
    soak.kiosk.slot.pull()
    soak.kiosk.sees("no_card")
    time.sleep(LOOK_SECONDS)
    soak.is_over()


def swaps(soak: Soak) -> None:
    """The next person's card is in the other reader before the first one's is out."""
    soak.comes()
    soak.signs_in()
    card = soak.random.choice(CARDS)
    soak.second.insert(card)
    soak.kiosk.slot.pull()
    soak.kiosk.sees("passcode")
    wait_until(lambda: not soak.open_sessions(), LOST_SECONDS, "the end of the first session")
    soak.signs_in()
    soak.goes(soak.second)


def spoiled_sign_in(soak: Soak) -> None:
    soak.comes()
    endpoint = soak.random.choice(("authactivate", "authvalidate", "RoleSelectionGP.jsp"))
    fault = soak.random.choice(LEFT_OPEN.get(endpoint, FAULTS[:5]))
    soak.kiosk.spine.faults.once(fault, endpoint=endpoint)
    soak.kiosk.types(PASSCODE)
    if soak.kiosk.sees("signed_in", "choosing_role", "failed") == "choosing_role":
        soak.kiosk.enters("choosing_role", "Down", "Return")
    soak.kiosk.sees("signed_in", "failed")
    soak.kiosk.spine.faults.clear()
    soak.goes()


def spoiled_log_out(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    fault, times = soak.random.choice(FAULTS[:4]), soak.random.randint(1, 3)
    soak.kiosk.spine.faults.once(fault, endpoint="authlogout", times=times)
    soak.goes()


def pcscd_restarts(soak: Soak) -> None:
    soak.comes()
    if soak.random.random() < 0.5:
        soak.signs_in()
    soak.pcscd.stop()
    soak.kiosk.sees("no_reader")
    soak.kiosk.slot.pull()
    soak.pcscd.start()
    soak.kiosk.sees("no_card")
    soak.is_over()


def agent_is_killed(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    soak.kiosk.is_killed()
    soak.kiosk.slot.pull()
    soak.kiosk.sees("no_card")
    time.sleep(LOOK_SECONDS)
    soak.is_over()


def x_server_restarts(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    soak.kiosk.loses_its_screen()
    soak.kiosk.slot.pull()
    soak.kiosk.sees("no_card")
    time.sleep(LOOK_SECONDS)
    soak.is_over()


VISITS: dict[Callable[[Soak], None], int] = {
    plain: 50,
    logs_out: 10,
    wrong_passcode: 8,
    pulls_early: 8,
    swaps: 8,
    spoiled_sign_in: 6,
    spoiled_log_out: 4,
    pcscd_restarts: 2,
    agent_is_killed: 2,
    x_server_restarts: 2,
}
BRUTAL = {agent_is_killed, x_server_restarts}
