"""What a ticket costs over an open port to the native messaging host, beside hosts that only echo.

    python tests/benchmarks/native_messaging.py [ROUNDS]

The hosts are Python processes, started once, and asked in turn by this process, as a browser would with a port that
stays open: a message in, an answer out. One echoes as the browsers' documentation shows it, decoding and encoding JSON.
Ours asks an agent, a process of its own, over its socket for each answer; the agent here answers at once. Two are no
hosts but the floor under any: one copies bytes, and one has an agent answer bytes that it does not look at. All of them
are on one processor: where the scheduler puts them on several, the same message takes 13 or 60 microseconds, by luck.

They are measured by turns, in many short rounds. A round's median counts, and of the rounds the fastest tenth, each
with all hosts in it, as other programs can only make a round slower. Ends with exit code 1 when ours takes more than
3 times as long as the echo. Needs nothing but Python.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.machine import TIED_TO_THE_RUN  # noqa: E402
from support.native_host import FROM_CHROMIUM, LISTED, HostProcess, allow, started  # noqa: E402

MOST = 3.0
MESSAGES_A_ROUND = 20
ECHO = """
import json, struct, sys
source, sink = sys.stdin.buffer, sys.stdout.buffer
while head := source.read(4):
    message = json.loads(source.read(struct.unpack("=I", head)[0]).decode())
    body = json.dumps(message).encode()
    sink.write(struct.pack("=I", len(body)) + body)
    sink.flush()
"""
COPY = """
import os, struct
while head := os.read(0, 4):
    body = os.read(0, struct.unpack("=I", head)[0])
    os.write(1, head + body)
"""
PASS_ON = """
import os, socket, struct, sys
agent = socket.socket(socket.AF_UNIX)
agent.connect(sys.argv[1])
while head := os.read(0, 4):
    body = os.read(0, struct.unpack("=I", head)[0])
    agent.sendall(body)
    agent.recv(4096)
    os.write(1, head + body)
"""
AGENT = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
connection, _ = listener.accept()
while connection.recv(65536):
    connection.sendall(b'{"parameters": {"ticket": "AQIC5wM2LY4SfcxvdvHOXjtC3/eWtBmRjGFIVKvMuAcWtLM="}}\\0')
"""
MESSAGE = {"method": "getTokenNoAuth", "data": {}, "origin": LISTED, "id": 1, "protocol": 1}


@contextmanager
def agent(folder: Path) -> Iterator[Path]:
    """Run an agent that answers each request at once; the path of its socket in a folder."""
    path = folder / "lanyard" / "agent"
    path.parent.mkdir(parents=True)
    command = [*TIED_TO_THE_RUN, sys.executable, "-c", AGENT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield path
        process.kill()


def ask(host: HostProcess) -> float:
    """Return how many microseconds one answer takes."""
    begin = time.perf_counter_ns()
    answer = host.ask(MESSAGE)
    taken = time.perf_counter_ns() - begin
    assert answer["id"] == 1
    return taken / 1000


def round_of(*hosts: HostProcess) -> list[float]:
    """Return each host's median over a few messages."""
    return [statistics.median(ask(host) for _ in range(MESSAGES_A_ROUND)) for host in hosts]


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name, agent(Path(name)), agent(Path(name, "other")) as other:
        environment = os.environ | allow(Path(name), LISTED) | {"XDG_RUNTIME_DIR": name, "PYTHONPATH": str(ROOT)}
        ours = [sys.executable, "-P", "-m", "bridge", "native-host", "--", *FROM_CHROMIUM]
        bare = ([sys.executable, "-c", program, str(other)] for program in (COPY, PASS_ON, ECHO))
        with ExitStack() as stack:
            hosts = [stack.enter_context(started(command, environment)) for command in (*bare, ours)]
            medians = sorted((round_of(*hosts) for _ in range(rounds)), key=sum)
    fastest = medians[: max(rounds // 10, 1)]
    copy_us, pass_on_us, echo_us, ours_us = (statistics.mean(column) for column in zip(*fastest, strict=True))
    ratio = ours_us / echo_us
    print(f"copies bytes             {copy_us:5.1f} us")
    print(f"has an agent answer them {pass_on_us:5.1f} us")
    print(f"echoes                   {echo_us:5.1f} us")
    print(f"Lanyard's, with an agent {ours_us:5.1f} us, {ratio:.2f} times the echo (at most {MOST:g})")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
