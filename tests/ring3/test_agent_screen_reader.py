"""A person who sees nothing signs in: AT-SPI and keys are all that tests/examples/eyes_shut.py has."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.agent import Slot
from support.agent_program import AGENT, ROOT, at, free_port
from support.machine import TIED_TO_THE_RUN, stop, wait_until
from support.screen_reader import PYTHON
from support.spine import Spine

EYES_SHUT = [PYTHON, str(ROOT / "tests" / "examples" / "eyes_shut.py")]


@contextmanager
def window(spine: Spine, desktop: dict[str, str], said: Path, *options: str) -> Iterator[str]:
    """The agent's window as a program, which says on stderr into a file. Yields the address of its reader."""
    port = free_port()
    command = [*TIED_TO_THE_RUN, *AGENT, *at(spine, port), *options]
    with said.open("wb") as stderr:
        process = subprocess.Popen(command, env=desktop, stderr=stderr)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        stop(process)


@pytest.fixture
def insert(data: Path) -> Iterator[Callable[[str, str], None]]:
    """insert(card, address) puts a card into the reader there, once that is there."""
    slots: list[Slot] = []

    def insert(card: str, address: str) -> None:
        slots.append(Slot(data, address))
        slots[0].insert(card)

    yield insert
    for slot in slots:
        slot.close()


def test_who_sees_nothing_signs_in_and_hears_tries_roles_and_the_time(
    spine_factory: Callable[..., Spine], desktop: dict[str, str], insert: Callable[[str, str], None], tmp_path: Path
) -> None:
    spine = spine_factory(max_session=timedelta(minutes=5))
    with window(spine, desktop, tmp_path / "said") as address:
        insert("three-roles", address)
        command = [*EYES_SHUT, "987654", "123456"]
        done = subprocess.run(command, env=desktop, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    heard = [line.removeprefix("hears: ") for line in done.stdout.splitlines() if line.startswith("hears: ")]
    assert "That passcode is not right. 2 tries left. Check your passcode and type it again." in heard
    assert "Choose your role" in heard
    assert "You are signed in" in heard
    assert "Time left: 5 minutes" in heard
    assert not [line for line in heard if "123456" in line or "987654" in line]
    assert not (tmp_path / "said").read_text()


@pytest.mark.parametrize("address", ["unix:path=/nonexistent", "nonsense", ""])
def test_without_a_bus_the_window_works_and_says_nothing_of_it(
    address: str, spine: Spine, desktop: dict[str, str], insert: Callable[[str, str], None], tmp_path: Path
) -> None:
    desktop = desktop | {"DBUS_SESSION_BUS_ADDRESS": address}
    with window(spine, desktop, tmp_path / "said") as reader:
        insert("one-role", reader)
        wait_until(lambda: any("authactivate" in line for line in spine.log), 30, "a card that was read")
    assert not (tmp_path / "said").read_text()
