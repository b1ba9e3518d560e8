"""The agent killed while the broker opens a session: whoever is left ends it, though nobody has the ticket yet."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.agent import Slot
from support.agent_program import AtTerminal, SitDown, at, free_port
from support.machine import wait_until
from support.spine import Spine

from spine_stub.stub import Stub

LATE_SECONDS = 1


@pytest.fixture
def sessions(stub: Stub) -> Callable[[], int]:
    """How many sessions are open at the broker."""
    return lambda: len(stub.broker.store.sessions())


def signs_in(at_terminal: SitDown, spine: Spine, slot: Slot, port: int) -> AtTerminal:
    """Somebody at a terminal who has typed the passcode."""
    terminal = at_terminal(*at(spine, port), "login")
    terminal.sees("Put your card")
    slot.insert("one-role")
    terminal.sees("Passcode: ")
    terminal.types("123456\n")
    return terminal


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def slot(data: Path, port: int) -> Slot:
    return Slot(data, f"127.0.0.1:{port}")


def test_at_a_terminal(
    at_terminal: SitDown, spine: Spine, slot: Slot, port: int, stub: Stub, sessions: Callable[[], int]
) -> None:
    stub.faults.once("delay", LATE_SECONDS, endpoint="authvalidate")
    terminal = signs_in(at_terminal, spine, slot, port)
    wait_until(lambda: sessions() == 1, what="a session whose ticket is on its way")
    terminal.signals(signal.SIGKILL)
    wait_until(lambda: sessions() == 0, what="the log-out")
