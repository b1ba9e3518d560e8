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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.agent import Slot
from support.agent_program import ROOT
from support.emulator import PASSCODE
from support.kiosk import Kiosk
from support.machine import wait_until
from support.reader import Pcscd
from support.screen import own_display

CARDS = ("three-roles", "one-role", "no-role", "expiring", "prescriber")
LOST_SECONDS = 20.0  # a log-out that the broker spoils is tried again after 1, 2 and 4 s


Visit = Callable[["Soak"], None]


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
    """A kiosk with its two readers, and all that was seen there."""

    kiosk: ProbedKiosk
    pcscd: Pcscd
    second: Slot
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)
    sign_ins: int = 0
    doing: str = ""

    def run(self, sign_ins: int, visits: Mapping[Visit, int]) -> None:
        """Until so many people more have been signed in, each visit as often as its weight says."""
        until = self.sign_ins + sign_ins
        while self.sign_ins < until:
            (visit,) = self.random.choices([*visits], [*visits.values()])
            self.doing = visit.__name__
            visit(self)
            self.done[visit.__name__] += 1

    # What a person does.

    def comes(self, card: str = "") -> str:
        card = card or self.random.choice(CARDS)
        self.kiosk.slot.insert(card)
        self.kiosk.sees("passcode")
        self.shows_nobody_else(None)
        return card

    def signs_in(self, open_sessions: int = 1) -> None:
        """`open_sessions`: how many there are at the broker then."""
        self.kiosk.types(PASSCODE)
        if self.kiosk.sees("signed_in", "choosing_role") == "choosing_role":
            self.kiosk.chooses_a_role()
        self.sign_ins += 1
        self.shows_nobody_else(self.kiosk.status())
        assert self.open_sessions() == open_sessions

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
        self.store, self.people, self.options = store, list[dict[str, Any]](), options
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
