"""Where an examination looks: the settings, a person's environment, the file system, the processes, the clock."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import AgentError, Settings

PROGRAM_SECONDS = 60


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Surroundings:
    """A PC. `root` is the folder that stands for `/`, `library` loads libpcsclite and raises OSError without it."""

    settings: Settings
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    root: Path = Path("/")
    library: Callable[[], Any] = field(default=functools.partial(ctypes.CDLL, "libpcsclite.so.1"))
    now: Callable[[], datetime] = _now
    python: str = sys.executable
    mistake: AgentError | None = None
    """Why the settings are not those of this PC, but the usual ones."""

    def path(self, name: str) -> Path:
        """Return where a file of this PC is, given as an absolute path."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        """Return a file's text, empty where it cannot be read."""
        try:
            return self.path(name).read_text(errors="replace")
        except OSError:
            return ""

    def has(self, *names: str) -> bool:
        """Return whether one of these files is there."""
        return any(self.path(name).exists() for name in names)

    def find(self, *patterns: str) -> list[Path]:
        """Return the files that match one of the patterns, which begin at `/`."""
        return [path for pattern in patterns for path in sorted(self.root.glob(pattern.lstrip("/")))]

    def processes(self) -> Iterator[tuple[Path, str]]:
        """Yield the folder in /proc and the name of each process."""
        for path in self.find("/proc/[0-9]*/comm"):
            if name := self.text(f"/{path.relative_to(self.root)}").strip():
                yield path.parent, name

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, without input. Raises OSError, subprocess.TimeoutExpired."""
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROGRAM_SECONDS,
            env=dict(self.environment),
            check=False,
        )
