"""What this machine has, and waiting for it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

VPCD_DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
# Put before a command: the process ends when the test run does, however that ends.
TIED_TO_THE_RUN = ("setpriv", "--pdeathsig", "TERM", "--")


def need(*names: str) -> None:
    """Skip the test, with the reason, unless each name is a program or a module of this machine.

    The name `vpcd` stands for vpcd's driver. With LANYARD_REQUIRE_ALL=1 the test fails instead.
    """
    missing = [name for name in names if not _has(name)]
    if missing:
        unavailable("not on this machine: " + ", ".join(missing))


def unavailable(reason: str) -> NoReturn:
    """Skip the test for this reason, or fail where everything is required. A benchmark is no test, and ends with it."""
    if "PYTEST_CURRENT_TEST" not in os.environ:
        sys.exit(reason)
    if os.environ.get("LANYARD_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def mounts_of_its_own() -> list[str]:
    """Return the start of a command that sees mounts which nobody else sees, and which end with it.

    In a chroot the root is no mount point, whose propagation could change; where nothing is shared, nothing need.
    """
    command = ["unshare", "--mount"]
    if "shared:" not in Path("/proc/self/mountinfo").read_text():
        command += ["--propagation", "unchanged"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        unavailable("no mounts of its own")
    return command


def program(name: str) -> str | None:
    """Return the path of a program, looking in the administrator's folders as well."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{path}:/usr/local/sbin:/usr/sbin:/sbin")


def _has(name: str) -> bool:
    if name == "vpcd":
        return VPCD_DRIVER.exists()
    if program(name):
        return True
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def wait_until(condition: Callable[[], T], deadline: float = 10.0, what: str = "the condition") -> T:
    """Return the condition's first true value; fail when it has none within `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not hold within {deadline:g} s")
        time.sleep(0.005)
    return value


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that a test started."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
