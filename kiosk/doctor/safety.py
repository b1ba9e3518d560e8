"""What keeps passcode, ticket and session safe: swap, locked memory, the guardian, a folder of the person's own."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

from agent import AgentError, Guardian, runtime_folder

from .findings import Finding, Findings, Trouble
from .surroundings import Surroundings

LOCKED_BYTES = 1 << 20  # passcode, ticket and the buffers around them
_CONFIGURATION = "/etc/systemd/logind.conf"


def look_at_safety(around: Surroundings) -> Findings:
    """Yield what is to be said of memory, processes and folders."""
    yield _swap(around)
    yield _locked_memory()
    yield _guardian(around)
    yield _folder()
    if re.search(r"^KillUserProcesses=(yes|true|1)", _logind(around), re.MULTILINE | re.IGNORECASE):
        says = "logind ends all processes of a session with it, the guardian too."
        yield Finding("end of session", says, Trouble.USER_PROCESSES_KILLED)


def _logind(around: Surroundings) -> str:
    more = (path.read_text(errors="replace") for path in around.find(f"{_CONFIGURATION}.d/*.conf"))
    return "\n".join([around.text(_CONFIGURATION), *more])


def _swap(around: Surroundings) -> Finding:
    places = [line.split()[0] for line in around.text("/proc/swaps").splitlines()[1:] if line.split()]
    plain = [place for place in places if not _is_unreadable(around, place)]
    if plain:
        return Finding("swap", f"What is swapped out stays readable on {', '.join(plain)}.", Trouble.SWAP_READABLE)
    return Finding("swap", f"Encrypted, or in memory: {', '.join(places)}." if places else "There is none.")


def _is_unreadable(around: Surroundings, place: str) -> bool:
    """Return whether a swap device is compressed memory, or lies on an encrypted one (dm-crypt)."""
    device = os.path.basename(os.path.realpath(around.path(place)))
    if device.startswith("zram"):
        return True
    block = around.path(f"/sys/class/block/{device}")
    return block.exists() and any(_is_encrypted(each) for each in _below(block))


def _below(block: Path) -> Iterator[Path]:
    """Yield a device of /sys, and those that it is made of."""
    yield block
    for each in sorted(block.glob("slaves/*")):
        yield from _below(each)


def _is_encrypted(block: Path) -> bool:
    with contextlib.suppress(OSError):
        return (block / "dm/uuid").read_text().startswith("CRYPT-")
    return False


def _locked_memory() -> Finding:
    most, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if most != resource.RLIM_INFINITY and most < LOCKED_BYTES:
        return Finding("locked memory", f"Only {most >> 10} KiB may be kept out of swap.", Trouble.LITTLE_LOCKED_MEMORY)
    amount = "as much as it likes" if most == resource.RLIM_INFINITY else f"{most >> 10} KiB"
    return Finding("locked memory", f"The agent may keep {amount} out of swap.")


def _guardian(around: Surroundings) -> Finding:
    """Start it as the agent does; it ends by itself, because it is told of no session."""
    settings = around.settings
    try:
        with contextlib.closing(Guardian(settings.spine, settings.ca_file)) as guardian:
            guardian.close(10)
            code = guardian.process.poll()
    except OSError as error:
        return Finding("guardian", f"It cannot be started: {error.strerror}.", Trouble.GUARDIAN_FAILS)
    if code:
        return Finding("guardian", f"It ended with {code}.", Trouble.GUARDIAN_FAILS)
    return Finding("guardian", "A session is ended even when the agent dies.")


def _folder() -> Finding:
    try:
        folder = runtime_folder()
    except AgentError as error:
        return Finding("session folder", error.says, Trouble.NO_SESSION_FOLDER)
    if not folder.parent.is_dir() or folder.parent.stat().st_uid != os.getuid():
        return Finding("session folder", f"{folder.parent} is not this user's own.", Trouble.NO_SESSION_FOLDER)
    return Finding("session folder", f"Programs find the agent in {folder}.")
