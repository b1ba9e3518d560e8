"""What a kiosk costs that nobody touches: processor time of the agent and its guardian, in each state it can rest in.

    python tests/benchmarks/idle_cpu.py [SECONDS] [agent.py's options, such as --mobility]

Needs root, as it starts a pcscd of its own, with vpcd; a screen of its own with Xvfb, xdotool, imagemagick and Tk;
python-xlib; pytest. Ends with exit code 1 when any state uses more than LIMIT of one processor.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.agent import Slot  # noqa: E402
from support.emulator import PASSCODE, tries_left_on_disk  # noqa: E402
from support.kiosk import Kiosk, running  # noqa: E402
from support.reader import Pcscd, own_pcscd  # noqa: E402
from support.screen import own_display  # noqa: E402

from spine_stub.testing import SpineStub  # noqa: E402

LIMIT = 0.2  # per cent of one processor
SECONDS = 30.0
SETTLING = 3.0  # until the last animation, log-out and prefetch are over


def processor_seconds(kiosk: Kiosk) -> float:
    """Of all threads that there are and have been (clock_getcpuclockid(3))."""
    total, clock = 0.0, ctypes.c_int()
    for pid in kiosk.family():
        ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
        total += time.clock_gettime(clock.value)
    return total


def wakes(kiosk: Kiosk) -> int:
    files = [file for pid in kiosk.family() for file in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(file.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for file in files)


def watch(kiosk: Kiosk, what: str, seconds: float) -> float:
    """Print a line; return the share in per cent."""
    time.sleep(SETTLING)
    before, woken = processor_seconds(kiosk), wakes(kiosk)
    time.sleep(seconds)
    share, times = (processor_seconds(kiosk) - before) / seconds * 100, (wakes(kiosk) - woken) / seconds
    print(f"{what:16} {share:6.3f} % of one processor, woken {times:4.1f} times a second, {seconds:g} s", flush=True)
    return share


# The way from each state to the next.


def nobody(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.sees("no_card")


def passcode(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.slot.insert("three-roles")
    kiosk.sees("passcode")


def wrong_passcode(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.display.type("000000")
    kiosk.presses_until(lambda: tries_left_on_disk(kiosk.spine.data / "cards" / "three-roles") == 2)
    kiosk.sees("passcode")


def choosing_role(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.types(PASSCODE)
    kiosk.sees("choosing_role")


def signed_in(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.chooses_a_role()


def signed_out(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.asks("DestroyTicket")
    kiosk.sees("signed_out")


def failed(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.slot.pull()
    kiosk.sees("no_card")
    kiosk.slot.insert("expired")
    kiosk.sees("failed")


def broker_away(kiosk: Kiosk, pcscd: Pcscd) -> None:
    kiosk.slot.pull()
    kiosk.sees("no_card")
    kiosk.spine.faults.always("http-503")
    kiosk.slot.insert("one-role")
    kiosk.sees("passcode")


def no_service(kiosk: Kiosk, pcscd: Pcscd) -> None:
    pcscd.stop()
    kiosk.sees("no_reader")


STATES: list[Callable[[Kiosk, Pcscd], None]] = [
    nobody,
    passcode,
    wrong_passcode,
    choosing_role,
    signed_in,
    signed_out,
    failed,
    broker_away,
    no_service,
]


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    worst = 0.0
    with ExitStack() as stack:
        display, pcscd = stack.enter_context(own_display()), stack.enter_context(own_pcscd())
        spine = stack.enter_context(SpineStub())
        slot = Slot(spine.data, pcscd.vpcd)
        stack.callback(slot.close)
        runtime = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kiosk = stack.enter_context(running(Kiosk(display, slot, spine, runtime, "--kiosk", *sys.argv[2:])))
        for state in STATES:
            state(kiosk, pcscd)
            worst = max(worst, watch(kiosk, state.__name__.replace("_", " "), seconds))
    print(f"largest share {worst:.3f} %, limit {LIMIT} %")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
