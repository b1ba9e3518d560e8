"""A PC in a folder, with a reader, a card and a sign-in service, where nothing is wrong. The fixture is `shared_pc`."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

import agent
from agent import Settings
from kiosk.doctor.examine import LOOKS
from kiosk.doctor.findings import Finding, Stop, Trouble
from kiosk.doctor.surroundings import Surroundings
from support.lying_broker import LyingBroker, http
from support.scripted_card import BrokenCard, card_certificate
from support.winscard import Winscard

READER = b"Maker Reader 00 00"
ORIGINS = {"subject": "settings", "fault": None, "says": "Pages that may ask: https://app.example.", "cure": None}
# In the place of Python: it answers for `bridge doctor`, and is Python for all else.
INTERPRETER = """\
#!/bin/sh
case "$*" in *bridge*) exec cat {answer};; esac
exec {python} "$@"
"""


@dataclass
class SharedPC:
    """Files below `root` stand for those below /; what a test changes is changed before `looks` or `around`."""

    root: Path
    broker: LyingBroker
    settings: Settings
    environment: dict[str, str]
    service: Winscard = field(default_factory=lambda: Winscard(READER))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    has_library: bool = True

    def library(self) -> Winscard:
        if not self.has_library:
            raise OSError("libpcsclite.so.1: cannot open shared object file")
        return self.service

    @property
    def around(self) -> Surroundings:
        python = str(self.root / "python")
        return Surroundings(self.settings, self.environment, self.root, self.library, lambda: self.now, python=python)

    def looks(self, subject: str) -> list[Finding]:
        """What one of the looks finds."""
        found = []
        try:
            for finding in LOOKS[subject](self.around):
                found.append(finding)
        except Stop as stop:
            found.append(stop.finding)
        return found

    def troubles(self, subject: str) -> list[Trouble]:
        """What one of the looks finds wrong."""
        return [finding.trouble for finding in self.looks(subject) if finding.trouble]

    def set(self, **changes: Any) -> None:
        self.settings = dataclasses.replace(self.settings, **changes)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the PC, given by its absolute path."""
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def insert(self, **wrong: Any) -> None:
        """Put a card in that is good but for these steps."""
        self.service.insert(READER, BrokenCard(**wrong))

    def bridge_says(self, *findings: object) -> None:
        self.write("/bridge.json", json.dumps(findings))


@pytest.fixture
def shared_pc(tmp_path: Path, lying_broker: LyingBroker, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> SharedPC:
    """A PC on which nothing is wrong, with its clock in the middle of its card's time."""
    (tmp_path / "session").mkdir()
    monkeypatch.setitem(os.environ, "XDG_RUNTIME_DIR", str(tmp_path / "session"))
    settings = Settings(spine=lying_broker.url, ca_file=ca_file)
    pc = SharedPC(tmp_path / "pc", lying_broker, settings, {**os.environ, "XDG_SESSION_TYPE": "x11"})
    certificate = agent.Certificate.parse(card_certificate())
    pc.now = certificate.not_after - timedelta(days=agent.EXPIRY_WARNING_DAYS + 2)
    lying_broker.lies[""] = http("", Date=format_datetime(pc.now.astimezone(UTC), usegmt=True))
    pc.write("/usr/sbin/pcscd", "")
    pc.write("/usr/lib/pcsc/drivers/ifd-ccid.bundle/Info.plist", "")
    pc.write("/proc/swaps", "Filename Type Size Used Priority\n")
    pc.write("/python", INTERPRETER.format(answer=pc.root / "bridge.json", python=sys.executable)).chmod(0o755)
    pc.bridge_says(ORIGINS)
    pc.insert()
    return pc
