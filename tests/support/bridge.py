"""`python3 -m bridge` as a program with settings of its own (bridge_program), and its scripted agent (bridge_agent)."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.agent_socket import SocketServer
from support.machine import stop

PAGE = "https://app.example"
"""The page that may ask."""
FETCH = {
    "Origin": PAGE,
    "Content-Type": "application/json",
    "X-Lanyard": "1",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Site": "cross-site",
}
"""What a browser sends with a listed page's fetch."""


@dataclass(frozen=True)
class Reply:
    """A reply of an HTTP server on this PC."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """Send one request, with these headers and no others but Host, which can be among them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        reply = connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()


class BridgeProgram:
    """The running bridge."""

    def __init__(self, environment: dict[str, str], port: int = 0) -> None:
        command = [sys.executable, "-m", "bridge", "serve", "--port", str(port)]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.logged = ""
        word, _, url = self.process.stdout.readline().strip().partition(" ")
        assert word == "ready", self.process.communicate()[1]
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        return ask(self.port, method, path, body, **headers)

    def ticket(self, content: object = None, **headers: str) -> Reply:
        """Ask for the ticket as the listed page does, with these headers in place of its own; empty: without."""
        sent = {name: value for name, value in {**FETCH, **headers}.items() if value}
        return self.ask("POST", "/ticket", json.dumps({} if content is None else content).encode(), **sent)

    def whole_request(self) -> bytes:
        """A listed page's request for the ticket, as it goes over the wire."""
        headers = {"Host": f"localhost:{self.port}", **FETCH, "Content-Length": "2"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /ticket HTTP/1.1\r\n{head}\r\n{{}}".encode()

    def end(self) -> str:
        """Stop it, and return what it has logged since it began."""
        stop(self.process)
        with contextlib.suppress(ValueError):  # read already
            self.logged += self.process.communicate()[1]
        return self.logged


def write_settings(folder: Path, text: str) -> None:
    """Write the user's settings into the folder that XDG_CONFIG_HOME names."""
    (folder / "lanyard").mkdir(parents=True, exist_ok=True)
    (folder / "lanyard" / "bridge.toml").write_text(text)


@pytest.fixture(scope="module")
def bridge_settings() -> str:
    """What is in bridge.toml; a module has a fixture of this name for other settings."""
    return f'origins = ["{PAGE}"]'


@pytest.fixture(scope="module")
def bridge_folder(tmp_path_factory: pytest.TempPathFactory, bridge_settings: str) -> Path:
    """Return the folder that XDG_RUNTIME_DIR and XDG_CONFIG_HOME of the module's bridge lead to."""
    folder = tmp_path_factory.mktemp("bridge")
    write_settings(folder, bridge_settings)
    return folder


@pytest.fixture
def bridge_agent(bridge_folder: Path) -> Iterator[SocketServer]:
    """Yield a scripted agent, which the module's bridge asks."""
    (bridge_folder / "lanyard" / "agent").unlink(missing_ok=True)
    server = SocketServer(bridge_folder)
    yield server
    server.close()


@pytest.fixture(scope="module")
def running_bridges(bridge_folder: Path) -> Iterator[list[BridgeProgram]]:
    """Keep the module's bridge: it starts slowly, and tests that end it get another one."""
    running: list[BridgeProgram] = []
    yield running
    for program in running:
        program.end()


@pytest.fixture
def bridge_program(
    running_bridges: list[BridgeProgram], bridge_folder: Path, bridge_agent: SocketServer
) -> BridgeProgram:
    """Return the module's bridge on its free port; `bridge_agent` is its agent."""
    if not running_bridges or running_bridges[-1].process.poll() is not None:
        folder = str(bridge_folder)
        running_bridges.append(BridgeProgram({**os.environ, "XDG_CONFIG_HOME": folder, "XDG_RUNTIME_DIR": folder}))
    return running_bridges[-1]
