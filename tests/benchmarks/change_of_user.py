"""How long one person waits for another's PC: card out, the other card in, passcode typed; through a real pcscd.

    python tests/benchmarks/change_of_user.py

Needs root, as it starts a pcscd of its own, with vpcd; Xvfb, xdotool, python-xlib; pytest.

Two people take turns ROUNDS times at a kiosk's window in the mode Session Lock Persistence, so that each sign-in but
the first two resumes what was parked. Then one of them signs in and out by card in the mode Normal. Measured from the
moment that pcscd has reported a card (which takes vpcd up to 0.4 s) and, of the passcode, from Enter. The virtual card
works in this process. Ends with exit code 1 when a median is over its limit in LIMITS.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]

from sign_in import broker_program  # noqa: E402
from support.agent import Slot  # noqa: E402
from support.reader import own_pcscd  # noqa: E402
from support.screen import own_display  # noqa: E402
from support.window import WindowOnScreen  # noqa: E402

from agent import Broker, Mode, PcscReader, ReaderNews, Report, State  # noqa: E402

ROUNDS = 20
CARDS = "one-role", "no-role"
LIMITS = {  # milliseconds
    "card in to passcode field": 150.0,
    "card out to locked screen": 100.0,
    "card out to clean screen": 100.0,
    "card out to session ended at the broker": 300.0,
    "change of user": 1000.0,
}


class StampingReader(PcscReader):
    """Keeps when pcscd last reported a card."""

    reported = 0.0

    def watch(self, report: Report) -> None:
        def stamped(news: ReaderNews) -> None:
            self.reported = time.perf_counter()
            report(news)

        super().watch(stamped)


class Turns:
    """Two people at one PC, and how long each step took, in milliseconds."""

    def __init__(self, window: WindowOnScreen, reader: StampingReader, slot: Slot) -> None:
        self.window, self.conductor, self._reader, self._slot = window, window.conductor, reader, slot
        self.took: dict[str, list[float]] = defaultdict(list)
        self._seen: dict[State, float] = {}  # when the screen of a state had been drawn
        self._log_out_ended = 0.0
        self._draw = self.conductor.on_change
        self.conductor.on_change = self._changed

    def comes(self, card: str) -> float:
        self._seen.clear()
        self._slot.insert(card)
        took = self._took("card in to passcode field", State.PASSCODE, lambda: self._reader.reported)
        entered = time.perf_counter()
        self.conductor.type_passcode("123456")
        return took + self._took("Enter to session", State.SIGNED_IN, lambda: entered)

    def leaves(self) -> float:
        self._slot.pull()
        return self._took("card out to locked screen", State.LOCKED, lambda: self._reader.reported)

    def ends(self) -> None:
        self._seen.clear()
        self._log_out_ended = 0.0
        self._slot.pull()
        self._took("card out to clean screen", State.WAITING, lambda: self._reader.reported)
        self.window.waits(lambda: self._log_out_ended)
        ended = 1000 * (self._log_out_ended - self._reader.reported)
        self.took["card out to session ended at the broker"].append(ended)

    def _changed(self, before: State) -> None:
        self._draw(before)
        self.window.root.winfo_pointerx()  # an answer from X: what was drawn before, it has done
        self._seen.setdefault(self.conductor.state, time.perf_counter())
        if self.conductor.log_out_confirmed and not self._log_out_ended:
            self._log_out_ended = time.perf_counter()

    def _took(self, what: str, state: State, since: Callable[[], float]) -> float:
        self.window.waits(lambda: self.conductor.state is state and state in self._seen)
        took = 1000 * (self._seen[state] - since())
        self.took[what].append(took)
        return took


def take_turns(turns: Turns) -> None:
    for card in CARDS:  # the first sign-in of each
        turns.comes(card)
        turns.leaves()
    turns.took.clear()
    for number in range(ROUNDS):
        came = turns.comes(CARDS[number % 2])
        turns.took["change of user"].append(came + turns.leaves())
    turns.conductor.mode = Mode.NORMAL
    for _ in range(ROUNDS):
        turns.comes(CARDS[0])
        turns.ends()


def main() -> int:
    with ExitStack() as stack:
        pcscd, display = stack.enter_context(own_pcscd()), stack.enter_context(own_display())
        os.environ["DISPLAY"] = display.name
        data = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        url = stack.enter_context(broker_program(data))
        slot, reader = Slot(data, pcscd.vpcd), StampingReader("00 00")
        stack.callback(slot.close)
        new_broker, mode = lambda: Broker(url, data / "ca.pem"), Mode.SESSION_LOCK_PERSISTENCE
        window = WindowOnScreen(display, reader, new_broker, mode, kiosk=True, clock=time.monotonic)
        stack.callback(window.close)
        turns = Turns(window, reader, slot)
        take_turns(turns)
    over = 0
    print(f"{'median of ' + str(ROUNDS):40} {'ms':>8} {'slowest':>8} {'limit':>8}")
    for what, took in turns.took.items():
        median, limit = statistics.median(took), LIMITS.get(what, float("inf"))
        over += median > limit
        print(f"  {what:38} {median:8.1f} {max(took):8.1f} {limit:8.0f}")
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())
