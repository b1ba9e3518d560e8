"""The guardian when the agent is killed: those whose sessions wait for their cards are logged out as well."""

from __future__ import annotations

from pathlib import Path

from support.agent import Slot
from support.kiosk import Kiosk, running
from support.machine import need, wait_until
from support.screen import Display
from support.spine import Spine


def test_who_is_locked_and_who_is_parked_are_logged_out(
    display: Display, kiosk_slot: Slot, spine: Spine, tmp_path: Path
) -> None:
    need("xdotool", "tkinter")
    tickets = []
    with running(Kiosk(display, kiosk_slot, spine, tmp_path, "--session-lock-persistence")) as kiosk:
        for card in ("one-role", "no-role"):
            kiosk.slot.insert(card)
            kiosk.types("123456")
            kiosk.sees("signed_in")
            tickets.append(kiosk.ticket())
            kiosk.slot.pull()
            kiosk.sees("locked")
        assert not any(map(spine.is_over, tickets))
        kiosk.process.kill()
        wait_until(lambda: all(map(spine.is_over, tickets)), what="the end of both")
