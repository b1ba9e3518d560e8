"""`python3 -m bridge serve` as a program: how it begins, what it prints, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.agent_socket import SocketServer
from support.bridge import PAGE, BridgeProgram, write_settings
from support.machine import wait_until


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_at_once_whoever_waits(
    bridge_program: BridgeProgram, bridge_agent: SocketServer, number: signal.Signals, code: int
) -> None:
    bridge_agent.answers = lambda _: None
    with socket.create_connection(("127.0.0.1", bridge_program.port)) as page:
        page.sendall(bridge_program.whole_request())
        wait_until(lambda: bridge_agent.asked, what="the agent is asked")
        bridge_program.process.send_signal(number)
        assert bridge_program.process.wait(5) == code
    wait_until(lambda: bridge_agent.hung_up, what="the bridge hangs up on the agent")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder)}
    command = [sys.executable, "-m", "bridge", "serve", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)


def test_without_origins_nothing_listens(tmp_path: Path) -> None:
    ended = run(tmp_path, "--port", "0")
    assert ended.returncode == 2
    assert ended.stderr.startswith("bridge: No page may ask yet")


def test_a_port_that_is_taken_is_said(bridge_program: BridgeProgram, tmp_path: Path) -> None:
    write_settings(tmp_path, f'origins = ["{PAGE}"]')
    ended = run(tmp_path, "--port", str(bridge_program.port))
    assert ended.returncode == 2
    assert (
        ended.stderr == f"bridge: Port {bridge_program.port} of this PC is in use already, by a program of this user.\n"
    )


def test_the_policy_names_the_listed_pages(tmp_path: Path) -> None:
    write_settings(tmp_path, f'origins = ["{PAGE}", "http://localhost:8444"]')
    assert run(tmp_path, "--policy").stdout.count(PAGE) == 2


@pytest.mark.parametrize(
    ("library", "arguments"), [("aiohttp", ["serve", "--port", "0"]), ("jwcrypto", ["authorize", "--redeem"])]
)
def test_a_library_that_is_missing_is_said(tmp_path: Path, library: str, arguments: list[str]) -> None:
    write_settings(tmp_path, f'origins = ["{PAGE}"]')
    script = (
        f"import sys; sys.modules['{library}'] = None; from bridge.__main__ import main; sys.exit(main({arguments}))"
    )
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, input="")
    assert ended.returncode == 2
    assert ended.stderr == f"bridge: Python's module {library} is missing: install python3-{library}.\n"
