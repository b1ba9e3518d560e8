"""How long a program waits for the ticket of a live session, against a bare echo of the same bytes over a Unix socket.

    python tests/benchmarks/ticket.py

Needs Xvfb, xdotool, imagemagick and Tk; pytest.

The agent's window is here, signed in with the virtual card; callers and echo are processes of their own. Who asks and
who answers are on one processor, then on two: waking the other processor takes longer than the echo, and where each
pair is placed would be luck. Then CALLERS at once ask for the ticket, for the window, and, once the card is out, for a
sign-in; meanwhile the window draws. Ends with exit code 1 when a median exceeds LIMIT_MS or LIMIT times the echo's,
when a caller is left without an answer, or when the window stands still for GAP_MS.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.agent import Slot  # noqa: E402
from support.machine import wait_until  # noqa: E402
from support.screen import own_display  # noqa: E402
from support.window import WindowOnScreen  # noqa: E402

from agent import Broker, State, TicketServer, ticket_socket  # noqa: E402
from demo import EmbeddedReader  # noqa: E402
from spine_stub.testing import SpineStub  # noqa: E402

LIMIT, LIMIT_MS, GAP_MS = 3.0, 1.0, 100.0
ROUNDS, CALLS, CALLERS = 9, 500, 1000
FRAME_MS = 10
Answer = Callable[[str, bytes], Any]


def message(method: str) -> bytes:
    parameters = {} if method == "Show" else {"origin": "https://app.example"}
    return json.dumps({"method": f"lanyard.Agent.{method}", "parameters": parameters}).encode() + b"\0"


def echo(path: str, reply: bytes) -> None:
    """Answer whatever comes with these bytes, one connection after the other."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            link, _ = listener.accept()
            with link:
                while link.recv(4096):
                    link.sendall(reply)


def connected(path: str) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(60)
    link.connect(path)
    return link


def asked(link: socket.socket, request: bytes) -> bytes:
    link.sendall(request)
    reply = link.recv(4096)
    while not reply.endswith(b"\0"):
        reply += link.recv(4096)
    return reply


def median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def kept(path: str, request: bytes) -> float:
    with connected(path) as link:
        return median_ms(lambda: asked(link, request))


def new(path: str, request: bytes) -> float:
    def once() -> None:
        with connected(path) as link:
            asked(link, request)

    return median_ms(once)


def at_once(path: str, request: bytes) -> Counter[str]:
    """How many of CALLERS get which kind of answer; those of a sign-in that nobody does are let go."""
    links = [connected(path) for _ in range(CALLERS)]
    for link in links:
        link.sendall(request)
    waits = b'GetTicket"' in request
    answers: Counter[str] = Counter()
    for link in links:
        link.settimeout(0.001 if waits and "ServerBusy" not in answers else 60)
        try:
            answers[json.loads(link.recv(4096).rstrip(b"\0")).get("error", "answered")] += 1
        except TimeoutError:
            answers["waits"] += 1
    for link in links:
        link.close()
    return answers


def serve(commands: Any) -> None:
    """The callers' process: do what comes over the pipe, send back what came of it."""
    while command := commands.recv():
        work, *arguments = command
        commands.send(work(*arguments))


class Callers:
    """The callers, and the window that draws while they are at it."""

    def __init__(self, window: WindowOnScreen) -> None:
        self._window = window
        self._ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()

    def do(self, work: Callable[..., Any], *arguments: object) -> tuple[Any, float]:
        """What came of it, and the longest time in milliseconds in which the window did nothing."""
        gaps, last = [0.0], [time.perf_counter()]
        root = self._window.root

        def tick() -> None:
            now = time.perf_counter()
            gaps.append((now - last[0]) * 1000 - FRAME_MS)
            last[0] = now
            if self._ours.poll():
                root.quit()
            else:
                root.after(FRAME_MS, tick)

        self._ours.send((work, *arguments))
        root.after(FRAME_MS, tick)
        root.mainloop()
        return self._ours.recv(), max(gaps)


def beside_the_echo(callers: Callers, server: int, paths: tuple[str, str], reply: bytes) -> bool:
    """Print how long a call to the agent's thread takes, and to the echo; whether that is within the limits."""
    bare = multiprocessing.get_context("spawn").Process(target=echo, args=(paths[1], reply), daemon=True)
    bare.start()
    wait_until(lambda: os.path.exists(paths[1]), what="the echo")
    processors, request, fine = sorted(os.sched_getaffinity(0)), message("GetTicketNoAuth"), True
    for where, work in itertools.product(sorted({processors[0], processors[-1]}), (kept, new)):
        os.sched_setaffinity(callers.process.pid or 0, {processors[0]})
        for each in (server, bare.pid or 0):
            os.sched_setaffinity(each, {where})
        rounds = [[callers.do(work, path, request)[0] for path in paths] for _ in range(ROUNDS)]
        ours, bare_ms = map(statistics.median, zip(*rounds, strict=True))
        on = "one processor " if where == processors[0] else "two processors"
        print(f"{work.__name__:4} connection, {on}: {ours:.3f} ms, echo {bare_ms:.3f} ms, ratio {ours / bare_ms:.2f}")
        fine &= ours < min(LIMIT_MS, LIMIT * bare_ms)
    for each in (server, callers.process.pid or 0):
        os.sched_setaffinity(each, processors)
    return fine


def measure(window: WindowOnScreen, slot: Slot, server: int, paths: tuple[str, str]) -> bool:
    """Print all; whether it is within the limits."""
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    reply = json.dumps({"parameters": {"ticket": window.session.ticket}}).encode() + b"\0"
    callers = Callers(window)
    fine = beside_the_echo(callers, server, paths, reply)
    for method in ("GetTicketNoAuth", "Show", "GetTicket"):
        if method == "GetTicket":
            slot.pull()
            window.sees(State.WAITING)
        answers, gap = callers.do(at_once, paths[0], message(method))
        print(f"{CALLERS} at once, {method:16} {dict(answers)}, the window stood still for {gap:.0f} ms")
        fine &= gap < GAP_MS and sum(answers.values()) == CALLERS and not answers.keys() - ANSWERS[method]
    return fine


ANSWERS = {
    "GetTicketNoAuth": {"answered"},
    "Show": {"answered", "lanyard.Agent.ServerBusy"},
    "GetTicket": {"waits", "lanyard.Agent.ServerBusy"},
}


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
        display = stack.enter_context(own_display())
        os.environ["DISPLAY"] = display.name
        spine = stack.enter_context(SpineStub(folder / "data"))
        reader = EmbeddedReader(0)
        stack.callback(reader.close)
        slot = Slot(spine.data, reader.address)
        stack.callback(slot.close)
        listener = stack.enter_context(ticket_socket())
        window = WindowOnScreen(display, reader, lambda: Broker(spine.url, spine.ca_file))
        stack.callback(window.close)
        server = TicketServer(listener, window.conductor, window.bridge)
        stack.callback(server.close)
        paths = str(folder / "lanyard/agent"), str(folder / "echo")
        return int(not measure(window, slot, server.native_id or 0, paths))


if __name__ == "__main__":
    sys.exit(main())
