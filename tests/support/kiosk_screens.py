"""The way to each screen that only a kiosk has, as a person gets there."""

from __future__ import annotations

from agent import State
from support.agent import Slot
from support.window import WindowOnScreen


def session_bar(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("three-roles")
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)
    window.presses("Down", "Return")
    window.sees(State.SIGNED_IN)
    window.waits(lambda: "Change role" in window.text())


def session(window: WindowOnScreen, slot: Slot) -> None:
    session_bar(window, slot)
    window.conductor.on_show()
    window.waits(lambda: "Go on working" in window.text())


def changing_role(window: WindowOnScreen, slot: Slot) -> None:
    session_bar(window, slot)
    window.clicks("Change role")
    window.waits(lambda: "Change your role" in window.text())


def asked_to_stay(window: WindowOnScreen, slot: Slot) -> None:
    session_bar(window, slot)
    signed_in = window.conductor.signed_in()
    window.conductor.clock = lambda: signed_in.limit()[0] - 119
    window.conductor.on_request()
    window.waits(lambda: "2 minutes" in window.text())


def locked(window: WindowOnScreen, slot: Slot) -> None:
    session_bar(window, slot)
    slot.pull()
    window.sees(State.LOCKED)


KIOSK_VISITS = [session_bar, session, changing_role, asked_to_stay, locked]
