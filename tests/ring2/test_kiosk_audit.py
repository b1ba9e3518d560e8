"""`python3 -m kiosk audit`: what it records, where to, and that nothing is missing without a word."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.agent_socket import SocketServer
from support.hooks import NAME, ROLE, UID, A
from support.machine import TIED_TO_THE_RUN, stop, wait_until
from support.source import ROOT
from support.ticket_socket import LiveAgent

from agent import State
from kiosk.audit.outputs import MOST_KEPT, Journal, Patient, RotatedFile
from kiosk.errors import CannotWrite

SIGNED_IN = {"event": "signed_in", "session": A, "uid": UID, "cn": NAME, "role": ROLE, "reader": "R", "seconds": 1.25}


class Audit:
    """The program, writing to a file."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.file, self.config = folder / "audit.jsonl", folder / "kiosk.toml"
        settings = {"audit_file": str(self.file), **settings}
        self.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
        command = [*TIED_TO_THE_RUN, sys.executable, "-m", "kiosk", "audit", "--config", str(self.config)]
        self.log = folder / "audit.log"
        with self.log.open("ab") as log:
            surroundings = os.environ | {"XDG_RUNTIME_DIR": str(folder)}
            self.process = subprocess.Popen(command, cwd=ROOT, env=surroundings, stderr=log)

    def lines(self) -> list[dict[str, Any]]:
        text = self.file.read_text() if self.file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines()]

    def close(self) -> None:
        stop(self.process)


@pytest.fixture
def agent(socket_server: SocketServer) -> SocketServer:
    """A scripted agent at which nobody is signed in."""
    socket_server.answers = lambda _: message(7, event="signed_out")
    return socket_server


def message(sequence: int, **event: Any) -> dict[str, Any]:
    return {"parameters": {"sequence": sequence, **event}, "continues": True}


def encoded(sequence: int, **event: Any) -> bytes:
    return json.dumps(message(sequence, **event)).encode() + b"\0"


@pytest.fixture
def audit(agent: SocketServer, tmp_path: Path) -> Iterator[Audit]:
    with contextlib.closing(Audit(tmp_path)) as audit:
        wait_until(lambda: audit.events() == ["audit_watching"], what="the record's beginning")
        yield audit


def test_a_line_says_who_where_and_how_long(audit: Audit, agent: SocketServer) -> None:
    agent.send(encoded(8, **SIGNED_IN, ticket="SECRET"))
    wait_until(lambda: len(audit.lines()) == 2)
    line = audit.lines()[1]
    assert datetime.fromisoformat(line.pop("time")).tzinfo == UTC
    assert line == {
        "event": "signed_in",
        "seconds": 1.25,
        "session": A,
        "uid": UID,
        "name": NAME,
        "role": "Nurse",
        "role_id": "100",
        "org_code": "A99",
        "org_name": "Ward 9",
        "reader": "R",
        "sequence": 8,
    }
    assert stat.S_IMODE(audit.file.stat().st_mode) == 0o600


def test_an_end_says_why(audit: Audit, agent: SocketServer) -> None:
    agent.send(encoded(8, **SIGNED_IN) + encoded(9, **SIGNED_IN | {"event": "signed_out", "reason": "card_out"}))
    wait_until(lambda: len(audit.lines()) == 3)
    assert audit.lines()[2]["reason"] == "card_out"


def test_a_gap_is_recorded(audit: Audit, agent: SocketServer) -> None:
    agent.send(encoded(8, event="signed_out") + encoded(12, event="signed_out"))
    wait_until(lambda: len(audit.lines()) == 4)
    assert audit.events() == ["audit_watching", "signed_out", "events_missed", "signed_out"]
    assert audit.lines()[2]["number"] == 3


def test_an_agent_that_goes_and_comes_is_recorded(audit: Audit, agent: SocketServer) -> None:
    agent.hang_up()
    wait_until(lambda: audit.events() == ["audit_watching", "agent_lost", "audit_watching"])
    audit.close()
    assert audit.events()[-1] == "audit_ended"


@pytest.mark.parametrize(
    "rubbish", [b"\xff\0", b"[]\0", b'{"parameters": {"event": "signed_in"}}\0', b'{"error": 1}\0']
)
def test_rubbish_is_no_event(audit: Audit, agent: SocketServer, rubbish: bytes) -> None:
    agent.send(rubbish)
    wait_until(lambda: audit.events() == ["audit_watching", "agent_lost", "audit_watching"])
    assert "Traceback" not in audit.log.read_text()


def test_a_file_that_cannot_be_written_is_said_to_be(tmp_path: Path, agent: SocketServer) -> None:
    audit = Audit(tmp_path, audit_file=str(tmp_path / "nowhere" / "audit"))
    assert audit.process.wait(10) == 1
    assert "nowhere/audit cannot be written: No such file or directory." in audit.log.read_text()


def test_with_a_real_agent(live: LiveAgent, runtime: Path) -> None:
    with contextlib.closing(Audit(runtime)) as audit:
        wait_until(lambda: audit.events() == ["audit_watching"])
        ticket = live.signs_in("three-roles")
        live.pull()
        live.sees(State.WAITING)
        wait_until(lambda: len(audit.lines()) == 3)
        signed_in, signed_out = audit.lines()[1:]
        assert (signed_in["event"], signed_out["event"], signed_out["reason"]) == (
            "signed_in",
            "signed_out",
            "card_out",
        )
        assert signed_in["session"] == signed_out["session"]
        assert signed_in["role"]
        assert ticket not in audit.file.read_text()


def at_noon() -> datetime:
    return datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_journald_gets_a_datagram_for_each_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "journal"))
        with contextlib.closing(Journal(tmp_path / "journal")) as journal:
            journal.write('{"event": "x", "name": "\u00e9"}')
        received = journald.recv(4096).decode().splitlines()
    assert received == ['MESSAGE={"event": "x", "name": "\u00e9"}', "PRIORITY=6", "SYSLOG_IDENTIFIER=lanyard-audit"]


def test_lines_wait_for_a_journal_that_is_away(tmp_path: Path) -> None:
    with contextlib.closing(Journal(tmp_path / "journal")) as output:
        journal = Patient(output, at_noon)
        for number in range(MOST_KEPT + 5):
            journal.write(f"line {number}")
        assert "journald" in journal.problem
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
            journald.bind(str(tmp_path / "journal"))
            journald.settimeout(5)
            first, *others = read_all(journald, journal)
    assert json.loads(first) == {"time": "2026-11-26T12:00:00.000+00:00", "event": "lines_lost", "number": 5}
    assert others == [f"line {number}" for number in range(5, MOST_KEPT + 5)]


def read_all(journald: socket.socket, journal: Patient) -> list[str]:
    """What comes, while the other side tries again: its queue is short."""
    texts = []
    while len(texts) < MOST_KEPT + 1:
        journal.try_again()
        texts.append(journald.recv(4096).decode().splitlines()[0].removeprefix("MESSAGE="))
    assert journal.problem == ""
    return texts


def test_a_file_is_rotated(tmp_path: Path) -> None:
    rotated = RotatedFile(tmp_path / "audit", 1)
    for number in range(12):
        rotated.write(f"{number}" + "x" * (700 << 10))
    assert {path.name for path in tmp_path.iterdir()} == {"audit", *(f"audit.{n}" for n in range(1, 10))}
    assert (tmp_path / "audit").read_text().startswith("11x")
    assert (tmp_path / "audit.9").read_text().startswith("2x")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotWrite, match="Too many levels of symbolic links"):
        RotatedFile(tmp_path / "audit", 1)
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_is_noticed(tmp_path: Path) -> None:
    """The limit on a file's size is where the disk is full."""
    script = f"""
import resource, signal
from pathlib import Path
from kiosk.audit.outputs import RotatedFile
from kiosk.errors import CannotWrite
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, {resource.RLIM_INFINITY}))
rotated = RotatedFile(Path({str(tmp_path / "audit")!r}), 1)
rotated.write("x" * 50)
try:
    rotated.write("y" * 90)
except CannotWrite as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path / 'audit'} cannot be written: File too large.\n", done.stderr
    assert (tmp_path / "audit").read_text() == "x" * 50 + "\n"


def test_without_journald_a_file_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kiosk.audit import cli
    from kiosk.settings import Settings

    monkeypatch.setattr(cli, "JOURNAL", tmp_path / "none")
    with pytest.raises(CannotWrite, match="audit_file"):
        cli.open_output(Settings())
