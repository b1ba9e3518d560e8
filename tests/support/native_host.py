"""The native messaging host as a process, spoken to as a browser does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.native_host import frames
from bridge.settings import EXTENSION_IDS
from support.source import ROOT

CHROMIUM_ID, FIREFOX_ID = EXTENSION_IDS
FROM_CHROMIUM = (f"chrome-extension://{CHROMIUM_ID}/",)
LISTED = "https://app.example"


class HostProcess:
    """A running host. `ask` sends a message and returns the answer."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        self.process, self._to, self._from = process, process.stdin, process.stdout

    def send(self, message: object) -> None:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._to.write(len(body).to_bytes(4, sys.byteorder) + body)
        self._to.flush()

    def receive(self) -> dict[str, Any] | None:
        """Return the next answer; None when the host has ended."""
        body = frames.read_message(self._from)
        return None if body is None else dict(json.loads(body))

    def ask(self, message: object) -> dict[str, Any]:
        self.send(message)
        answer = self.receive()
        assert answer is not None
        return answer

    def hang_up(self) -> None:
        """Close the pipe, as a browser does when the port is disconnected."""
        self._to.close()


@contextmanager
def started(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> Iterator[HostProcess]:
    """Start a host by its command, and end it."""
    process = subprocess.Popen(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", env=environment or dict(os.environ)
    )
    with process:
        try:
            yield HostProcess(process)
        finally:
            process.kill()


@contextmanager
def host(*arguments: str) -> Iterator[HostProcess]:
    """Start the checkout's host as Chromium would for our extension, or with other arguments."""
    command = [sys.executable, "-P", "-m", "bridge", "native-host", "--", *(arguments or FROM_CHROMIUM)]
    with started(command, os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        yield process


def allow(folder: Path, *origins: str) -> dict[str, str]:
    """Write settings that name these origins; return the environment variable that leads to them."""
    (folder / "lanyard").mkdir(parents=True, exist_ok=True)
    (folder / "lanyard" / "bridge.toml").write_text(f"origins = {json.dumps(list(origins))}\n")
    return {"XDG_CONFIG_HOME": str(folder)}
