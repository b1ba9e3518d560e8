"""What this machine has: programs, modules, pcscd with vpcd, a display."""

from __future__ import annotations

import importlib
import os
import shutil
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def need(*names: str) -> None:
    """Skip the test, with the reason, unless each name is a program or a module of this machine.

    With LANYARD_REQUIRE_ALL=1 the test fails instead.
    """
    missing = [name for name in names if not _has(name)]
    if missing:
        unavailable("not on this machine: " + ", ".join(missing))


def unavailable(reason: str) -> None:
    """Skip the test for this reason, or fail where everything is required."""
    if os.environ.get("LANYARD_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(name: str) -> str | None:
    """Return the path of a program, looking in the administrator's folders as well."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{path}:/usr/local/sbin:/usr/sbin:/sbin")


def _has(name: str) -> bool:
    if program(name):
        return True
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def wait_until(
    condition: Callable[[], T], deadline: float = 10.0, what: str = "the condition"
) -> T:
    """Return the condition's first true value; fail when it has none within `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not hold within {deadline:g} s")
        time.sleep(0.005)
    return value
