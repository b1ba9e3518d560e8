"""One copy only: a second kiosk brings the first one's screen over the work, and ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from support.agent_program import run_agent
from support.kiosk import Kiosk
from support.machine import need, wait_until
from support.spine import Spine
from support.workplace import KioskWindow, Workplace

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


def test_where_there_is_no_place_for_a_socket_there_is_one_copy_for_each_screen(
    workplace: Workplace, covering: KioskWindow, spine: Spine
) -> None:
    covering.waits(covering.covers)
    about = {"DISPLAY": workplace.display.name, "XDG_RUNTIME_DIR": ""}
    done = run_agent("--spine", spine.url, "--ca-file", str(spine.ca_file), "--kiosk", **about)
    assert done.returncode == Fault.RUNS_ALREADY.exit_code, done.stderr
    assert "The agent is running already" in done.stderr
    covering.waits(lambda: covering.covers() and covering.has_keyboard())
