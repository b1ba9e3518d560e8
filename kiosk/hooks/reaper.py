"""The reaper of one session: a process that starts its programs, and ends when all of them have ended.

It reads orders and writes answers, a line of JSON each, with the same `number` in both:

    {"order": "start", "name": N, "command": [...], "environment": {...}, "restart": B}   {"failed": SENTENCE or ""}
    {"order": "run", "name": N, "command": [...], "environment": {...}, "seconds": S}     as start, once it has ended
    {"order": "stop"}                                                       {"stopped": [PID, ...] or null}
    {"order": "continue"}                                                   {}
    {"order": "end", "grace": S}                                            {"ended": how many there were}

Between these it writes {"exited": N, "says": SENTENCE} when a program that was started has ended with an error. One
with `restart` is started again, unless it was killed, or ends at once again and again. When no more orders can come,
the reaper kills what there is and ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import process_tree

LONGEST_ORDER = 1 << 20
MOST_RESTARTS, SHORT_SECONDS = 5, 10.0
"""So many times in a row a program is started again that has run for less than these seconds."""


@dataclass
class Started:
    """A program that was started and has not ended yet. `restarts`: how often in a row, after it had ended soon."""

    process: subprocess.Popen[bytes]
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    restart: bool
    restarts: int
    since: float


def serve(orders: int, answers: int) -> None:
    """Be the reaper, on these two pipes, until the first one closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    process_tree.adopt_orphans()
    reaper = Reaper(answers)
    try:
        reaper.serve(orders)
    finally:
        process_tree.end_all(0)


class Reaper:
    """What the process knows: the programs that it has started and that have not ended yet."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._running: dict[int, Started] = {}
        self._orders: Mapping[str, Callable[..., dict[str, Any]]] = {
            "start": self._start,
            "run": self._run,
            "stop": lambda: {"stopped": process_tree.stop_all(self._tell_of_exits)},
            "continue": self._continue,
            "end": self._end,
        }

    def serve(self, orders: int) -> None:
        """Carry out orders until no more can come."""
        woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        unread = b""
        while True:
            ready = select.select([orders, woken], [], [])[0]
            if woken in ready:
                os.read(woken, 4096)
                self._tell_of_exits()
            if orders in ready:
                piece = os.read(orders, LONGEST_ORDER)
                if not piece:
                    return
                *lines, unread = (unread + piece).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        number, does = order.pop("number"), self._orders[order.pop("order")]
        self._say({"number": number, **does(**order)})

    def _say(self, answer: dict[str, Any]) -> None:
        os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def _tell_of_exits(self) -> tuple[bool, bool]:
        """Return whether any child has ended, and whether there is any left."""
        ended, is_left = process_tree.reap()
        for pid, code in ended.items():
            self._tell_of_exit(*self._ended(pid, code), code)
        return bool(ended), is_left

    def _tell_of_exit(self, started: Started | None, says: str, code: int) -> None:
        if started is None:
            return
        if says:
            self._say({"exited": started.name, "says": says})
        if started.restart and code != -signal.SIGKILL:
            self._start_again(started)

    def _start_again(self, before: Started) -> None:
        soon = time.monotonic() - before.since < SHORT_SECONDS
        restarts = before.restarts + 1 if soon else 1
        if restarts > MOST_RESTARTS:
            self._say({"exited": before.name, "says": f"{before.name} ends again and again, and is left alone."})
            return
        answer = self._start(before.name, list(before.command), before.environment, restart=True, restarts=restarts)
        if answer["failed"]:
            self._say({"exited": before.name, "says": answer["failed"]})

    def _ended(self, pid: int, code: int) -> tuple[Started | None, str]:
        """Return the program, and what to say of its end; nothing of a child that was not started here."""
        started = self._running.pop(pid, None)
        if started is None:
            return None, ""
        started.process.returncode = code  # or Popen would look for a child that is not there any more
        return started, describe_exit(started.name, code)

    def _start(
        self, name: str, command: list[str], environment: Mapping[str, str], *, restart: bool = False, restarts: int = 0
    ) -> dict[str, Any]:
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=2,
                start_new_session=True,
                preexec_fn=_as_usual,  # there is but this one thread
            )
        except (OSError, ValueError) as error:
            return {"failed": f"{name} cannot be started: {getattr(error, 'strerror', '') or error}."}
        started = Started(process, name, command, environment, restart, restarts, time.monotonic())
        self._running[process.pid] = started
        return {"failed": ""}

    def _run(self, name: str, command: list[str], environment: Mapping[str, str], seconds: float) -> dict[str, Any]:
        failed: str = self._start(name, command, environment)["failed"]
        if failed:
            return {"failed": failed}
        pid, ends = next(reversed(self._running)), time.monotonic() + seconds
        while time.monotonic() < ends:
            exits = [(each, *self._ended(each, code), code) for each, code in process_tree.reap()[0].items()]
            for each, started, says, code in exits:
                if each != pid:
                    self._tell_of_exit(started, says, code)
            if own := [says for each, _, says, _ in exits if each == pid]:
                return {"failed": own[0]}
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        self._ended(*os.waitpid(pid, 0))
        return {"failed": f"{name} has not ended within {seconds:g} s, and was killed."}

    def _continue(self) -> dict[str, Any]:
        process_tree.continue_all()
        return {}

    def _end(self, grace: float) -> dict[str, Any]:
        number = process_tree.end_all(grace)
        for started in self._running.values():
            started.process.returncode = 0
        self._running.clear()
        return {"ended": number}


def _as_usual() -> None:
    """In a program that is about to be started: take signals as programs do, and do not outlive the reaper."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    process_tree.die_with_parent()


def describe_exit(name: str, code: int) -> str:
    """Return a sentence for an exit code of subprocess's; empty where all is well."""
    if not code:
        return ""
    return f"{name} has ended with exit code {code}." if code > 0 else f"{name} was ended by signal {-code}."
