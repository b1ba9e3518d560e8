"""How the probe signs in to an application: as a browser that opens a page, or by a program of its makers."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .browser import Browser, Page, Places, ProbeError

SECONDS = 60.0
"""How long COMMAND may take."""
_SAID = 300


@dataclass(frozen=True)
class Application:
    """Where the application under test shows what only the signed-in see."""

    protected: str
    signed_in: str
    """The text that stands there for somebody who is signed in, and for nobody else."""
    start: str
    """The address that begins a sign-in."""
    command: str = ""
    """The program that signs in; nothing: the probe itself opens `start` as a browser."""
    places: Places = field(default_factory=Places)

    def look(self, browser: Browser) -> Page:
        """Open the protected page, and go to no other site to sign in again; raises ProbeError."""
        return browser.get(self.protected, leave=False)

    def is_shown(self, page: Page) -> bool:
        return self.signed_in in page.text

    def sign_in(self, browser: Browser) -> str:
        """Sign in; returns what was said where that did not succeed. What counts is what the page shows then."""
        try:
            if self.command:
                return self._run(browser)
            page = browser.get(self.start)
        except ProbeError as exc:
            return str(exc)
        return "" if page.status < 400 else f"HTTP {page.status} at {page.url.partition('?')[0]}"

    def _run(self, browser: Browser) -> str:
        with tempfile.TemporaryDirectory(prefix="probe-") as folder:
            jar = Path(folder) / "cookies.txt"
            said = run(self.command, {"COOKIE_JAR": str(jar), "PROTECTED_URL": self.protected})
            browser.load(jar)
        return said


def run(command: str, variables: Mapping[str, str], seconds: float = SECONDS) -> str:
    """Run a program with more variables; returns how it failed, nothing if it did not. Raises ProbeError."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                shlex.split(command),
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as exc:
            raise ProbeError(f"COMMAND cannot be started: {exc}") from exc
        code = _ended(process, seconds)
        output.seek(0)
        lines = output.read(1_000_000).decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    if code is None:
        return f"COMMAND took over {seconds:.0f} seconds and was ended"
    return f"COMMAND ended with {code}: {last[:_SAID]}" if code else ""


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Wait for a program, and end all that it started; its exit code, or None where its time was up."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
