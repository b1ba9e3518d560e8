"""Somebody who follows a page of docs/ in an empty folder, with a terminal for each server that the page starts.

Lanyard is installed there already: what the page says of venv and pip is not done again. Everything runs in a network
of its own, so that the page's ports are free.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

from support.installed import ROOT, Installed
from support.machine import TIED_TO_THE_RUN, stop, wait_until

DONE_ALREADY = re.compile(r"python3 -m venv|\. \.venv|pip install ")
SERVER = re.compile(r"(?:\w+=\S+ )?python3 -m (spine_stub|examples\.serve_ward_list)(?: --[\w-]+)*")
SECONDS = 250


class Follower:
    """Runs the commands of a page."""

    def __init__(self, network: list[str], installed: Installed, folder: Path) -> None:
        self.folder = folder
        self._network, self._terminals = network, ExitStack()
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "lanyard").symlink_to(ROOT)
        self.home = folder / "home"
        self.home.mkdir()
        found = installed.environment(folder)
        self.environment = {**found, "HOME": str(self.home), "VIRTUAL_ENV": str(installed.bin.parent)}
        del self.environment["XDG_DATA_HOME"]
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            self.environment.pop(name, None)

    @property
    def ca_file(self) -> Path:
        return self.home / ".local/share/lanyard/ca.pem"

    def follow(self, command: str, code: int = 0) -> str:
        """Run a command of the page; what it says. A server goes on in its terminal, in place of its last one."""
        if DONE_ALREADY.match(command):
            return ""
        if SERVER.fullmatch(command):
            return self._serve(command)
        done = self.run(command)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever comes of it."""
        return subprocess.run(
            self._inside(command), **self._as_them(), capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def close(self) -> None:
        """End the servers."""
        for server in self._servers.values():
            stop(server)

    def _serve(self, command: str) -> str:
        kind = SERVER.fullmatch(command)[1]
        if kind in self._servers:
            stop(self._servers.pop(kind))
        log = self.folder / f"{kind}.terminal"
        with log.open("wb") as terminal:
            self._servers[kind] = subprocess.Popen(
                [*TIED_TO_THE_RUN, *self._inside(f"exec env {command}")],
                **self._as_them(),
                stdout=terminal,
                stderr=terminal,
            )
        wait_until(lambda: re.search("^ready .*$", log.read_text(), re.MULTILINE), 60, f"{command}: {log.read_text()}")
        return log.read_text()

    def _inside(self, command: str) -> list[str]:
        return [*self._network, "bash", "-c", command]

    def _as_them(self) -> dict[str, object]:
        return {"cwd": self.folder, "env": self.environment}


def commands(text: str) -> list[str]:
    """The commands of a piece of a page, each on a line of its own."""
    return re.findall(r"^    \$ (.*)$", text, re.MULTILINE)
