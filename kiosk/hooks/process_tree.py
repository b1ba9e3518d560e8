"""Processes that descend from this one: found in /proc (proc(5)), stopped, continued, ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ProgramFailed

SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
STOPPING_SECONDS, QUIET_LOOKS = 2.0, 4
STOPPED = ("T", "t")  # proc(5): by a signal, or by whoever traces it
GONE = ("Z", "X")

_PAUSE = 0.001


@dataclass(frozen=True)
class Process:
    """A process, its parent, and its state as proc(5) has it."""

    pid: int
    parent: int
    state: str


def processes() -> Iterator[Process]:
    """Yield the processes of this machine."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := _read(int(name))):
            yield process


def _read(pid: int) -> Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    state, parent = text.rpartition(b")")[2].split()[:2]  # a program's name may have anything in it, brackets too
    return Process(pid, int(parent), state.decode())


def descendants(root: int | None = None, keep: Collection[int] = ()) -> list[Process]:
    """Return the living children of a process (this one), and theirs, but not `keep` and what descends from those."""
    children: dict[int, list[Process]] = {}
    for process in processes():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    parents = [os.getpid() if root is None else root]
    while parents:
        new = [child for parent in parents for child in children.get(parent, ()) if child.pid not in keep]
        parents = [child.pid for child in new]
        found += [child for child in new if child.state not in GONE]
    return found


def adopt_orphans() -> None:
    """From now on be the parent of descendants whose own parent ends (prctl(2))."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """From now on be killed when the parent ends (prctl(2)). A program keeps it, its children do not."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def send(number: signal.Signals, targets: Collection[Process]) -> None:
    """Send a signal to each that is still there."""
    for process in targets:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def stop_all(reap: Callable[[], tuple[bool, bool]]) -> list[int] | None:
    """Stop every descendant, and return their numbers; None where new ones come faster than they can be stopped.

    A stopped process starts no others. A look at /proc can miss one that hands on to a new one and ends, but its end
    is seen here, because whatever has lost its parent is this process's child. So all are stopped once QUIET_LOOKS
    looks in a row find the same ones, each stopped, and nothing has ended meanwhile. `reap` waits for no child, and
    returns whether any has ended, and whether there is any left.
    """
    ends, before, quiet = time.monotonic() + STOPPING_SECONDS, [0], 0
    while time.monotonic() < ends:
        found = descendants()
        running = [process for process in found if process.state not in STOPPED]
        pids = sorted(process.pid for process in found)
        send(signal.SIGSTOP, running)
        has_ended, is_left = reap()
        is_quiet = not running and not has_ended and pids == before and bool(pids) == is_left
        quiet = quiet + 1 if is_quiet else 0
        if quiet == QUIET_LOOKS:
            return pids
        before = pids
        time.sleep(_PAUSE)
    return None


def continue_all() -> None:
    """Let every descendant go on."""
    send(signal.SIGCONT, descendants())


def reap() -> tuple[dict[int, int], bool]:
    """Return the exit codes of children that have ended, by number, and whether there is any child left."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, False
        if not pid:
            return ended, True
        ended[pid] = os.waitstatus_to_exitcode(status)


def end_all(grace: float) -> int:
    """End every descendant, those after `grace` seconds by force, and return how many there were at the beginning.

    Only the kernel knows that none is left: a look at /proc can miss a process that is just being started, but whatever
    has lost its parent is this one's child (waitpid(2), ECHILD).
    """
    found = descendants()
    if grace:
        send(signal.SIGTERM, found)
        send(signal.SIGCONT, found)
    kills = time.monotonic() + grace
    while reap()[1]:
        if time.monotonic() >= kills:
            send(signal.SIGKILL, descendants())
        time.sleep(_PAUSE)
    return len(found)


def end_orphans(keep: Collection[int], seconds: float = 5.0) -> bool:
    """End every descendant but `keep` and theirs, and return whether none is left.

    For when a reaper was killed and its programs have become this process's children; others' reapers go on. Several
    looks one after the other must find none.
    """
    ends, empty = time.monotonic() + seconds, 0
    while empty < 3:
        found = descendants(keep=keep)
        empty = 0 if found else empty + 1
        send(signal.SIGKILL, found)
        for process in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        if time.monotonic() > ends:
            return False
        time.sleep(_PAUSE)
    return True


def end_marked(mark: str, seconds: float = 5.0) -> int:
    """End this user's processes that began with this text in their environment; return how many there were.

    For programs that have left the tree, with a service manager's help, or whose reaper and hooks were both killed.
    Raises ProgramFailed where some are still there after that many seconds.
    """
    ends, number = time.monotonic() + seconds, 0
    while found := _marked(mark.encode()):
        if time.monotonic() >= ends:
            raise ProgramFailed(f"Processes that cannot be ended: {len(found)}.")
        number = max(number, len(found))
        send(signal.SIGKILL, found)
        time.sleep(_PAUSE)
    return number


def _marked(mark: bytes) -> list[Process]:
    found = []
    for process in processes():
        with contextlib.suppress(OSError):
            if process.state not in GONE and mark in Path(f"/proc/{process.pid}/environ").read_bytes():
                found.append(process)
    return [process for process in found if process.pid != os.getpid()]
