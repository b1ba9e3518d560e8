"""A kiosk for a long day: sign-ins through pcscd under Xvfb, with all that goes wrong there. `tox -e soak` runs it.

    python tests/benchmarks/soak.py [--sign-ins 2000] [--seed N] [agent.py's options, such as --mobility]

Needs root, as it starts a pcscd of its own, with vpcd; Xvfb, xdotool, imagemagick and Tk; pytest.

In the first half the agent and the X server are killed too, now and then. In the second half it is one agent, whose
memory at the end is within LIMIT of that after WARM sign-ins, with no thread, file, widget or callback more.
Prints what happened and the figures. Ends with exit code 1 when anything did not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.agent import Slot  # noqa: E402
from support.reader import own_pcscd  # noqa: E402
from support.soak import ProbedKiosk, Soak, second_reader  # noqa: E402
from support.soak_visits import calm, visits  # noqa: E402

from spine_stub.stub import Stub  # noqa: E402
from spine_stub.testing import SpineStub  # noqa: E402

LIMIT = 3.0  # per cent
WARM = 100


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sign-ins", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))  # noqa: S311  no secret
    options, agent_options = parser.parse_known_args()
    print(f"seed {options.seed}", flush=True)
    with ExitStack() as stack:
        pcscd, spine = stack.enter_context(own_pcscd()), stack.enter_context(SpineStub())
        slots = [Slot(spine.data, vpcd) for vpcd in (pcscd.vpcd, second_reader(pcscd))]
        for slot in slots:
            stack.callback(slot.close)
        runtime = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kiosk = ProbedKiosk(slots[0], spine, Stub.of(spine.app).broker.store, runtime, *agent_options)
        stack.callback(kiosk.close)
        crowd = Soak(kiosk, pcscd, slots[1], random.Random(options.seed))  # noqa: S311  no secret
        try:
            return soak(crowd, options.sign_ins)
        finally:
            print(f"at the end {crowd.doing}: {kiosk.status()}\n{kiosk.log.read_text()[-2000:]}", flush=True)


def soak(crowd: Soak, sign_ins: int) -> int:
    """Print the figures; return the exit code."""
    warm = min(WARM, sign_ins // 4)
    crowd.run(sign_ins // 2, visits(crowd.kiosk.options, brutal=True))
    say(crowd)
    gentle = visits(crowd.kiosk.options, brutal=False)
    crowd.run(warm, gentle)
    crowd.run(1, calm(crowd.kiosk.options))
    before, commands = crowd.counts(), Counter(crowd.kiosk.look()["commands"])
    print(f"after {warm} sign-ins: {before}", flush=True)
    while crowd.sign_ins < sign_ins:
        crowd.run(min(100, sign_ins - crowd.sign_ins), gentle)
        say(crowd)
    crowd.run(1, calm(crowd.kiosk.options))
    after = crowd.counts()
    more = (after.memory / before.memory - 1) * 100
    print(f"after {sign_ins - sign_ins // 2}: {after}; {more:+.1f} % memory, limit {LIMIT} %")
    print(f"new Tcl commands: {Counter(crowd.kiosk.look()['commands']) - commands}")
    return int(more > LIMIT or after.resources() != before.resources())


def say(crowd: Soak) -> None:
    happened = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in crowd.done.most_common())
    print(f"{time.strftime('%H:%M:%S')} {crowd.sign_ins} sign-ins: {happened}; {crowd.counts()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
