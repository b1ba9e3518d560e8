"""A network of its own for a test that needs ports with fixed numbers, such as those that a page names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from support.machine import TIED_TO_THE_RUN, need, stop, unavailable

UP = "ip link set lo up && echo up && exec sleep infinity"


@pytest.fixture
def own_network() -> Iterator[list[str]]:
    """The start of a command that runs in a network with nothing but loopback in it."""
    need("ip", "nsenter", "unshare")
    if os.geteuid() != 0:
        unavailable("only root makes a network")
    command = [*TIED_TO_THE_RUN, "unshare", "--net", "sh", "-c", UP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "up\n"
        try:
            yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]
        finally:
            stop(holder)
