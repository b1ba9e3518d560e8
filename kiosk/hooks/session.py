"""The programs of one session, seen from the hooks: orders to its reaper, and the folder that is wiped at the end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import KioskError, ProgramFailed
from ..events import Event
from ..settings import Program
from . import process_tree, reaper

LOG = logging.getLogger("lanyard.kiosk")
ANSWER_SECONDS = 10.0
"""The longest that a reaper may take beyond what it was told to wait for."""
FOLDER_VARIABLE = "LANYARD_SESSION_DIR"


class ReaperLost(KioskError):
    """The reaper was killed, or does not answer: what it has left is this process's to end."""


class SessionPrograms:
    """One session: its reaper, its folder, whether its programs are stopped."""

    def __init__(self, session: str, folder: Path) -> None:
        """`folder`: for this session alone, of this user alone. Raises ProgramFailed where it cannot be made."""
        self.session, self.folder = session, folder
        self.is_stopped = False
        self._exits: list[str] = []
        self._unread = b""
        self._number = 0
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise ProgramFailed(f"{folder} cannot be made: {error.strerror}.") from None
        self.pid, self._orders, self._answers = _fork_reaper()

    def fileno(self) -> int:
        """Readable when a program has ended by itself, or the reaper has."""
        return self._answers

    def start(self, program: Program, event: Event) -> str:
        """Start a program that runs on. Returns a sentence where it cannot be started; raises ReaperLost."""
        about = self._about(program, event)
        return str(self._ask(0, order="start", restart=program.restart, **about)["failed"])

    def run(self, program: Program, event: Event) -> str:
        """Start a program and wait for its end. Returns a sentence where it fails; raises ReaperLost."""
        about = self._about(program, event)
        return str(self._ask(program.seconds, order="run", seconds=program.seconds, **about)["failed"])

    def stop(self) -> list[int] | None:
        """Stop every process of the session and return their numbers; None where that cannot be. Raises ReaperLost."""
        stopped: list[int] | None = self._ask(process_tree.STOPPING_SECONDS, order="stop")["stopped"]
        self.is_stopped = stopped is not None
        return stopped

    def resume(self) -> None:
        """Let them go on. Raises ReaperLost."""
        self._ask(0, order="continue")
        self.is_stopped = False

    def end(self, grace: float) -> int:
        """End every process of the session; return how many there were. Raises ReaperLost."""
        number = int(self._ask(grace, order="end", grace=0 if self.is_stopped else grace)["ended"])
        self.is_stopped = False
        return number

    def exits(self) -> list[str]:
        """Return what is to be said of programs that have ended by themselves. Raises ReaperLost."""
        if select.select([self._answers], [], [], 0)[0]:
            self._read()
        said, self._exits = self._exits, []
        return said

    def close(self, others: Iterable[int]) -> None:
        """End whatever is left, and wipe the folder. `others`: the reapers of other sessions.

        Raises ProgramFailed where something is left all the same: the next person is not to be let in.
        """
        for descriptor in (self._orders, self._answers):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if not _has_ended_well(self.pid) and not process_tree.end_orphans([*others]):
            raise ProgramFailed("A program of the session that has ended cannot be ended.")
        if number := process_tree.end_marked(mark(self.folder)):
            LOG.warning("processes of the session that had left its tree, and were ended: %d", number)
        wipe(self.folder)

    def _about(self, program: Program, event: Event) -> dict[str, Any]:
        return {"name": program.name, "command": program.command, "environment": environment(event, self.folder)}

    def _ask(self, patience: float, **order: Any) -> dict[str, Any]:
        self._number += 1
        try:
            os.write(self._orders, json.dumps({"number": self._number, **order}).encode() + b"\n")
        except OSError:
            raise ReaperLost("The session's reaper was killed.") from None
        ends = time.monotonic() + patience + ANSWER_SECONDS
        while True:
            while answer := self._take():
                if answer["number"] == self._number:  # any other is to an order that was cut short
                    return answer
            if not select.select([self._answers], [], [], max(ends - time.monotonic(), 0))[0]:
                raise ReaperLost("The session's reaper does not answer.")
            self._read()

    def _read(self) -> None:
        piece = os.read(self._answers, 1 << 16)
        if not piece:
            raise ReaperLost("The session's reaper was killed.")
        self._unread += piece
        if b"\n" in piece:
            self._set_exits_aside()

    def _set_exits_aside(self) -> None:
        *lines, rest = self._unread.split(b"\n")
        exits = [line for line in lines if line.startswith(b'{"exited"')]
        self._exits += [json.loads(line)["says"] for line in exits]
        self._unread = b"".join(line + b"\n" for line in lines if line not in exits) + rest

    def _take(self) -> dict[str, Any] | None:
        line, end, rest = self._unread.partition(b"\n")
        if not end:
            return None
        self._unread = rest
        answer: dict[str, Any] = json.loads(line)
        return answer


def mark(folder: Path) -> str:
    """Return what is in the environment of programs of a session, or of all sessions, by the folder."""
    return f"{FOLDER_VARIABLE}={folder}"


def environment(event: Event, folder: Path) -> dict[str, str]:
    """Return what a program is told of the session. The ticket is not in it: programs ask the agent for that."""
    role = event.role
    return {
        "LANYARD_EVENT": event.happening,
        "LANYARD_REASON": event.reason,
        "LANYARD_SESSION": event.session,
        FOLDER_VARIABLE: str(folder),
        "LANYARD_UID": event.uid,
        "LANYARD_NAME": event.cn,
        "LANYARD_ROLE": role.name if role else "",
        "LANYARD_ROLE_ID": role.id if role else "",
        "LANYARD_ORG_CODE": role.org_code if role else "",
        "LANYARD_ORG_NAME": role.org_name if role else "",
    }


def wipe(folder: Path) -> None:
    """Remove a folder with all that is in it, or what is in its place. Raises ProgramFailed where something stays."""
    if folder.is_symlink() or not folder.is_dir():
        with contextlib.suppress(OSError):
            folder.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # a program can have taken away its own right to read or write there
        with contextlib.suppress(OSError):
            folder.chmod(0o700)
            for inner, folders, _ in os.walk(folder):
                for each in (Path(inner, name) for name in folders):
                    if not each.is_symlink():
                        each.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise ProgramFailed(f"{folder} cannot be wiped.")


def _fork_reaper() -> tuple[int, int, int]:
    """Return the reaper's number, the pipe for its orders, and that of its answers."""
    orders, ordering = os.pipe()
    answering, answers = os.pipe()
    pid = os.fork()
    if pid:
        os.close(orders)
        os.close(answers)
        return pid, ordering, answering
    exit_code = 1
    try:
        _close_all_but(orders, answers)
        reaper.serve(orders, answers)
        exit_code = 0
    finally:
        os._exit(exit_code)


def _close_all_but(*kept: int) -> None:
    """Close what was inherited from 3 on: whoever holds an end of another's pipe keeps it from closing."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _has_ended_well(pid: int) -> bool:
    """Wait for a reaper, which ends with its pipe, and return whether it has left nothing; a slow one is killed."""
    ends = time.monotonic() + ANSWER_SECONDS
    try:
        while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() > ends:
                os.kill(pid, signal.SIGKILL)
                return os.waitpid(pid, 0)[1] == 0
            time.sleep(0.001)
    except ChildProcessError:
        return False
    return ended[1] == 0
