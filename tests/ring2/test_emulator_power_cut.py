"""Pulling the power at any moment gives no try back and breaks no card."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

from support import power_cut
from support.emulator import write_settings

MOMENTS = 200


def test_power_cut_at_random_moments(card_folder: Path) -> None:
    tries = power_cut.TRIES
    write_settings(card_folder, tries=tries, tries_left=tries, unblocking_tries=tries, unblocking_tries_left=tries)
    seed = secrets.randbelow(1 << 30)
    done = subprocess.run(
        [sys.executable, power_cut.__file__, str(card_folder), str(MOMENTS), str(seed)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert int(done.stdout) > MOMENTS // 2  # most kills came in the middle of a command


def test_the_model_says_what_a_kill_may_leave() -> None:
    """Of a wrong try only: not yet counted, or counted; of a right one also: all tries again."""
    now = power_cut.Kept("123456", "12345678", 3, 3, "00")
    assert [step.tries_left for step in power_cut.steps(now, "wrong")] == [3, 2]
    assert [step.tries_left for step in power_cut.steps(now, "change 654321")] == [3, 2, 15]
    assert [step.passcode for step in power_cut.steps(now, "change 654321")] == ["123456", "123456", "654321"]
