"""A session bus with the desktop's accessibility service, on a virtual screen. The fixture is `desktop`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import TIED_TO_THE_RUN, need, stop, unavailable
from support.screen import Display

PYTHON = "/usr/bin/python3"  # Debian's, which has pyatspi


@pytest.fixture
def desktop(display: Display, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the programs of this desktop."""
    need("dbus-daemon", "accesskit", "setpriv")
    if subprocess.run([PYTHON, "-c", "import pyatspi"], capture_output=True).returncode:
        unavailable("not on this machine: pyatspi (python3-pyatspi)")
    home = tmp_path / "desktop"
    home.mkdir(mode=0o700)
    environment = display.environment | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "NO_AT_BRIDGE": "0"}
    command = [*TIED_TO_THE_RUN, "dbus-daemon", "--session", "--nofork", "--print-address=1"]
    bus = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert bus.stdout
    try:
        address = bus.stdout.readline().decode().strip()
        yield environment | {"DBUS_SESSION_BUS_ADDRESS": address}
    finally:
        bus.stdout.close()
        stop(bus)
