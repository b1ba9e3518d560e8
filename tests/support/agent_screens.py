"""The way to each screen of the agent's window, as a person gets there."""

from __future__ import annotations

from collections.abc import Callable

from agent import State
from support.agent import Slot
from support.window import WindowOnScreen

Visit = Callable[[WindowOnScreen, Slot], None]


def passcode(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("expiring")
    window.sees(State.PASSCODE)


def wrong_passcode(window: WindowOnScreen, slot: Slot) -> None:
    passcode(window, slot)
    window.types("000000")
    window.presses("Return")
    window.waits(lambda: "2 tries left" in window.text())


def last_try(window: WindowOnScreen, slot: Slot) -> None:
    wrong_passcode(window, slot)
    window.signs_in("000000")
    window.sees(State.LAST_TRY)


def confirming(window: WindowOnScreen, slot: Slot) -> None:
    last_try(window, slot)
    window.signs_in("000000")
    window.sees(State.CONFIRMING)


def choosing_role(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("forty-roles")
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)


def signed_in(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("expiring")
    window.signs_in()
    window.sees(State.SIGNED_IN)


def without_role(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("no-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)


def signed_out(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    window.clicks("Log out")
    window.sees(State.SIGNED_OUT)


def problem(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("revoked")
    window.signs_in()
    window.sees(State.PROBLEM)


def technical_detail(window: WindowOnScreen, slot: Slot) -> None:
    problem(window, slot)
    window.clicks("Technical detail")


def waiting(window: WindowOnScreen, slot: Slot) -> None:
    window.sees(State.WAITING)


VISITS = [
    waiting, passcode, wrong_passcode, last_try, confirming, choosing_role, signed_in, without_role, signed_out, problem
]  # fmt: skip
