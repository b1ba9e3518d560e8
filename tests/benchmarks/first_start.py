"""How long the broker takes from its start until it answers: on an empty DIR, and on one that is filled.

    pip install oidc-provider-mock                   into any environment, of this Python for a fair comparison
    python tests/benchmarks/first_start.py [--mock PROGRAM] [--rounds N]

Needs what `python3 -m spine_stub` needs, and oidc-provider-mock on PATH or named with --mock: another stand-in for a
sign-in service that is started in tests. It makes one key and no certificates, and speaks HTTP without TLS; the
broker's first start makes a test CA, a TLS certificate and nine smartcards with four keys each.

The three starts take turns, so that a machine that changes its speed changes it for all of them. A start ends with
the first request that is answered. Medians are printed, and the broker's as times the mock's of the same round.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 15
PATIENCE = 60.0  # seconds for one start
Connect = Callable[[], HTTPConnection]
# An installed program is compiled; a checkout too, from its second start on, unless the environment forbids it.
COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds_to_answer(command: list[str], connect: Connect, path: str) -> float:
    """Start a program, return how long it takes until it answers a request with 200, and end it."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=COMPILED, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(connect, path):
            if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                sys.exit(f"{' '.join(command)} does not answer")
            time.sleep(0.005)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()


def answers(connect: Connect, path: str) -> bool:
    """Whether a request is answered with 200; not before somebody listens, nor before the CA has been made."""
    with contextlib.suppress(OSError), contextlib.closing(connect()) as connection:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def broker(data: Path) -> float:
    port = free_port()

    def connect() -> HTTPConnection:
        context = ssl.create_default_context(cafile=str(data / "ca.pem"))
        return HTTPSConnection("127.0.0.1", port, timeout=5, context=context)

    command = [sys.executable, "-m", "spine_stub", "--data", str(data), "--port", str(port)]
    return seconds_to_answer(command, connect, "/healthz")


def mock(program: str) -> float:
    port = free_port()
    command = [program, "--port", str(port)]
    address = "/.well-known/openid-configuration"
    return seconds_to_answer(command, lambda: HTTPConnection("127.0.0.1", port, timeout=5), address)


def measure(program: str) -> tuple[float, float, float]:
    """Return the seconds of a first start, of a second one in the same folder, and of the mock."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        return broker(data), broker(data), mock(program)


def main() -> None:
    """Measure by turns, print medians and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mock", default="oidc-provider-mock", metavar="PROGRAM", help="default: the one on PATH")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="default: %(default)s")
    options = parser.parse_args()
    program = shutil.which(options.mock)
    if program is None:
        sys.exit(
            f"{options.mock} is not on this machine: pip install oidc-provider-mock, and give its place with --mock"
        )
    measure(program)  # compiles what has not been compiled
    rounds = [measure(program) for _ in range(options.rounds)]
    mocks = [mocked for _, _, mocked in rounds]
    print(f"{'oidc-provider-mock':32} {statistics.median(mocks):6.2f} s   of {options.rounds} rounds by turns")
    for name, times in (
        ("broker, first start, empty DIR", [first for first, _, _ in rounds]),
        ("broker, warm start", [warm for _, warm, _ in rounds]),
    ):
        ratio = statistics.median(ours / theirs for ours, theirs in zip(times, mocks, strict=True))
        print(f"{name:32} {statistics.median(times):6.2f} s   {ratio:.2f} times the mock's")


if __name__ == "__main__":
    main()
