"""How long the programs of a session take to start, to be stopped and to be ended, by `python3 -m kiosk hooks`.

    python tests/benchmarks/session_programs.py

Needs pytest. The agent is a scripted one. Each time runs from its event to the HooksDone that answers it, for 200
processes: ones that sleep, ones that ignore SIGTERM (and so cost the grace of 0.3 s), and daemons.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from support.hooks import Kept, python  # noqa: E402
from support.machine import wait_until  # noqa: E402

NUMBER, TIMES = 200, 10
STAY = "import os, signal, time\n{before}\nfor n in range(199):\n if not os.fork(): break\n{inside}\ntime.sleep(1000)"
KINDS = {
    "nothing": "",
    "sleeping": STAY.format(before="", inside=""),
    "ignore SIGTERM": STAY.format(before="signal.signal(15, signal.SIG_IGN)", inside=""),
    "daemons": STAY.format(before="", inside="os.setsid() if os.fork() == 0 else os._exit(0)").replace("199", "200"),
}


def timed(kept: Kept, event: str, **more: str) -> float:
    began = time.perf_counter()
    kept.tell(event, **more)
    return (time.perf_counter() - began) * 1000


def measure(script: str) -> dict[str, float]:
    """The median of each step, in milliseconds."""
    took: dict[str, list[float]] = {"start": [], "stop": [], "go on": [], "end": [], "end of stopped ones": []}
    with tempfile.TemporaryDirectory(prefix="lanyard-") as folder:
        kept = Kept(Path(folder))
        kept.configure(*([{"name": "many", "command": python(script)}] if script else []))
        kept.start()
        for number in range(TIMES):
            session = f"{number:016x}"
            took["start"].append(timed(kept, "signed_in", session=session))
            wait_until(lambda session=session: not script or len(kept.running(session)) >= NUMBER - 1, 30)
            took["stop"].append(timed(kept, "locked", session=session, reason="parked"))
            if number % 2:
                took["go on"].append(timed(kept, "resumed", session=session))
                took["end"].append(timed(kept, "signed_out", session=session))
            else:
                took["end of stopped ones"].append(timed(kept, "signed_out", session=session))
        kept.close()
    return {name: statistics.median(each) for name, each in took.items()}


if __name__ == "__main__":
    for kind, script in KINDS.items():
        print(f"{kind:15}", *(f"{name} {median:6.1f} ms  " for name, median in measure(script).items()))
