"""What an idle agent costs: processor time with the window open, card absent and card present.

    python tests/benchmarks/idle_cpu.py [SECONDS]

Needs root, as it starts a pcscd of its own, with vpcd and pyscard; a screen of its own with Xvfb, xdotool, imagemagick
and Tk; pytest.

Two agents are watched at the same time, one with the embedded reader, one at a real pcscd and vpcd.
Ends with exit code 1 when either uses more than LIMIT of one processor.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.machine import stop, wait_until  # noqa: E402
from support.reader import own_pcscd  # noqa: E402
from support.screen import Display, own_display  # noqa: E402

from demo import Control, DemonstrationFailed  # noqa: E402

LIMIT = 0.2  # per cent of one processor
SECONDS = 60.0
SETTLING = 3.0  # until the last animation, log-out and prefetch are over


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """User and system time of a process, all its threads: proc(5), stat, fields 14 and 15."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def agent(display: Display, data: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the demonstration with its window open and a card in the reader."""
    command = [sys.executable, str(ROOT / "agent.py"), "--demo", "--data", str(data), *options]
    process = subprocess.Popen(command, env=display.environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: cards(data), 60, "the demonstration's start")
        yield process
    finally:
        stop(process)


def cards(data: Path) -> list[str]:
    """The cards of the emulator, none while it is not yet there."""
    with contextlib.suppress(DemonstrationFailed):
        return Control(data / "emulator.sock").cards()
    return []


def watch(agents: dict[str, subprocess.Popen[bytes]], what: str, seconds: float) -> float:
    """Print a line for each agent; return the largest share in per cent."""
    time.sleep(SETTLING)
    before = {name: processor_seconds(process) for name, process in agents.items()}
    time.sleep(seconds)
    shares = {name: (processor_seconds(agents[name]) - before[name]) / seconds * 100 for name in agents}
    for name, share in shares.items():
        print(f"{name:16} {what:14} {share:6.3f} % of one processor over {seconds:g} s")
    return max(shares.values())


def main() -> int:
    """Watch both agents with a card in, then without."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with contextlib.ExitStack() as stack:
        display = stack.enter_context(own_display())
        pcscd = stack.enter_context(own_pcscd())
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        agents = {
            "embedded reader": stack.enter_context(agent(display, folders[0])),
            "pcscd and vpcd": stack.enter_context(agent(display, folders[1], "--reader", "pcsc", "--vpcd", pcscd.vpcd)),
        }
        worst = watch(agents, "card present", seconds)
        for folder in folders:
            Control(folder / "emulator.sock").remove()
        worst = max(worst, watch(agents, "card absent", seconds))
    print(f"largest share {worst:.3f} %, limit {LIMIT} %")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
