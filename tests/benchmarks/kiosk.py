"""How soon a kiosk's window shows that a card has come or gone, and the broker hears of it.

    python tests/benchmarks/kiosk.py [ROUNDS]

Needs root, as it starts a pcscd of its own, with vpcd; a screen of its own with Xvfb, xdotool, imagemagick, Tk and
python-xlib; pytest.

A virtual card is put in, its passcode typed, and it is pulled while its owner works. Each time is from the moment at
which pcscd tells the agent. What is on the screen has been drawn by X then: X has answered a request that came later.
Ends with exit code 1 when the median of one kind takes longer than LIMITS says.
"""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]

from sign_in import broker_program  # noqa: E402
from support.emulator import EmulatorProgram  # noqa: E402
from support.machine import wait_until  # noqa: E402
from support.reader import own_pcscd  # noqa: E402
from support.screen import own_display  # noqa: E402
from support.window import WindowOnScreen  # noqa: E402

import agent  # noqa: E402
from agent import Broker, CardIn, CardOut, PcscReader, Report, State  # noqa: E402

ROUNDS = 20
CARD = "one-role"
LIMITS = {"card in, to a passcode field": 150.0, "card out, to a clean screen": 100.0, "card out, to log-out": 300.0}


class WatchedReader(PcscReader):
    """A reader that keeps when pcscd told of a card."""

    told: float

    def watch(self, report: Report) -> None:
        def keep(news: agent.ReaderNews) -> None:
            if isinstance(news, CardIn | CardOut):
                self.told = time.perf_counter()
            report(news)

        super().watch(keep)


class WatchedBroker(Broker):
    """A broker that keeps when a session was known to be over."""

    ended = 0.0

    def log_out(self, session: agent.Session) -> None:
        super().log_out(session)
        type(self).ended = time.perf_counter()


def drawn(window: WindowOnScreen, condition: Callable[[], bool]) -> float:
    """When the condition held and X had drawn what there was to draw."""

    def holds() -> bool:
        window.root.update()
        return condition()

    wait_until(holds, 30)
    window.root.winfo_pointerx()
    return time.perf_counter()


def one_round(window: WindowOnScreen, reader: WatchedReader, emulator: EmulatorProgram) -> list[float]:
    """The milliseconds of each kind."""

    def moves_card(*how: str) -> None:  # while the window does its work
        threading.Thread(target=emulator.ask, args=how).start()

    moves_card("insert", CARD)
    shown = drawn(window, lambda: type(window.window.screen) is agent.PasscodeScreen)
    times = [shown - reader.told]
    window.signs_in()
    window.sees(State.SIGNED_IN)
    window.waits(lambda: not window.root.winfo_viewable())
    WatchedBroker.ended = 0.0
    moves_card("remove")
    clean = drawn(window, lambda: window.conductor.state is State.WAITING and bool(window.root.winfo_viewable()))
    window.waits(lambda: WatchedBroker.ended)
    return [1000 * each for each in (*times, clean - reader.told, WatchedBroker.ended - reader.told)]


def report(rounds: list[list[float]]) -> bool:
    """Print a line for each kind; return whether one is over its limit."""
    print(f"{len(rounds)} rounds, milliseconds after pcscd told        median  slowest    limit")
    slow = False
    for (name, limit), times in zip(LIMITS.items(), zip(*rounds, strict=True), strict=True):
        print(f"  {name:40} {statistics.median(times):13.1f} {max(times):8.1f} {limit:8.0f}")
        slow |= statistics.median(times) > limit  # the slowest tells of the machine as well
    return slow


def main() -> int:
    with contextlib.ExitStack() as stack:
        pcscd = stack.enter_context(own_pcscd())
        data = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        url = stack.enter_context(broker_program(data))
        emulator = EmulatorProgram(data, pcscd.vpcd, log_level="info")
        stack.callback(emulator.stop)
        emulator.ready()
        reader = WatchedReader("00 00")
        display = stack.enter_context(own_display("1920x1080"))
        os.environ["DISPLAY"] = display.name
        window = WindowOnScreen(display, reader, lambda: WatchedBroker(url, data / "ca.pem"), kiosk=True)
        stack.callback(window.close)
        one_round(window, reader, emulator)  # what comes only once is not measured
        gc.freeze()  # as the agent does
        count = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
        return int(report([one_round(window, reader, emulator) for _ in range(count)]))


if __name__ == "__main__":
    sys.exit(main())
