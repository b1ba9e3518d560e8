"""One copy only: a second kiosk brings the first one's screen over the work, and ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from support.agent_program import run_agent
from support.kiosk import Kiosk
from support.machine import need, wait_until

from agent import Fault


def covers(kiosk: Kiosk) -> bool:
    command = ["xdotool", "search", "--onlyvisible", "--name", "^Lanyard: sign in"]
    return bool(subprocess.run(command, env=kiosk.display.environment, capture_output=True, timeout=20).stdout)


def test_a_second_start_brings_the_session_of_the_first_to_the_front(start_kiosk: Callable[..., Kiosk]) -> None:
    need("Xlib")
    kiosk = start_kiosk("--kiosk")
    kiosk.slot.insert("one-role")
    kiosk.types("123456")
    kiosk.sees("signed_in")
    wait_until(lambda: not covers(kiosk), what="a screen that is free to work on")
    about = {"DISPLAY": kiosk.display.name, "XDG_RUNTIME_DIR": str(kiosk.log.parent)}
    done = run_agent("--spine", kiosk.spine.url, "--ca-file", str(kiosk.spine.ca_file), "--kiosk", **about)
    assert done.returncode == Fault.RUNS_ALREADY.exit_code, done.stderr
    wait_until(lambda: covers(kiosk), what="the first one's screen")
    assert kiosk.status()["state"] == "signed_in"
