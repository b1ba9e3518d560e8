"""What happens at a kiosk: one visit after the other, each with a card that goes in and out."""

from __future__ import annotations

import time
from collections.abc import Collection

from support.emulator import PASSCODE, tries_left_on_disk
from support.machine import wait_until
from support.soak import CARDS, LOST_SECONDS, Soak, Visit

LOOK_SECONDS = 0.5  # pcscd looks every 0.4 s; a card that is out for less, after a pull in mid-command, it misses
FAULTS = ("drop", "half-body", "http-503", "not-xml", "invalid-input", "missing-field")
LEFT_OPEN = {"authvalidate": ("http-503", "invalid-input", "not-xml")}  # the others lose a ticket on its way
KEEPS = "--session-lock-persistence"


def visits(options: Collection[str], *, brutal: bool) -> dict[Visit, int]:
    """Those of the agent's session mode, with their weights; `brutal`: agent and X server are killed too."""
    every = KEPT_VISITS if KEEPS in options else VISITS
    return {visit: weight for visit, weight in every.items() if brutal or visit not in BRUTAL}


def calm(options: Collection[str]) -> dict[Visit, int]:
    """The one visit after which the window says nothing special: before a count."""
    return {goes_out_and_comes_back if KEEPS in options else plain: 1}


def plain(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    soak.goes()


def logs_out(soak: Soak) -> None:
    """And leaves the card in for a moment."""
    soak.comes()
    soak.signs_in()
    soak.kiosk.asks("DestroyTicket")
    soak.kiosk.sees("signed_out")
    soak.goes()


def wrong_passcode(soak: Soak) -> None:
    folder = soak.kiosk.spine.data / "cards" / soak.comes()
    soak.kiosk.display.type("000000")
    soak.kiosk.presses_until(lambda: tries_left_on_disk(folder) == 2)
    soak.kiosk.sees("passcode")
    soak.signs_in()
    soak.goes()


def pulls_early(soak: Soak) -> None:
    """Somewhere between Enter and the session."""
    soak.comes()
    soak.kiosk.types(PASSCODE)
    time.sleep(soak.random.uniform(0, 0.3))
    soak.kiosk.slot.pull()
    soak.kiosk.sees("no_card")
    time.sleep(LOOK_SECONDS)
    soak.is_over()


def swaps(soak: Soak) -> None:
    """The next person's card is in the other reader before the first one's is out."""
    soak.comes()
    soak.signs_in()
    card = soak.random.choice(CARDS)
    soak.second.insert(card)
    soak.kiosk.slot.pull()
    soak.kiosk.sees("passcode")
    wait_until(lambda: not soak.open_sessions(), LOST_SECONDS, "the end of the first session")
    soak.signs_in()
    soak.goes(soak.second)


def spoiled_sign_in(soak: Soak) -> None:
    soak.comes()
    endpoint = soak.random.choice(("authactivate", "authvalidate", "RoleSelectionGP.jsp"))
    fault = soak.random.choice(LEFT_OPEN.get(endpoint, FAULTS[:5]))
    soak.kiosk.spine.faults.once(fault, endpoint=endpoint)
    soak.kiosk.types(PASSCODE)
    if soak.kiosk.sees("signed_in", "choosing_role", "failed") == "choosing_role":
        soak.kiosk.enters("choosing_role", "Down", "Return")
    soak.kiosk.sees("signed_in", "failed")
    soak.kiosk.spine.faults.clear()
    soak.goes()


def spoiled_log_out(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    fault, times = soak.random.choice(FAULTS[:4]), soak.random.randint(1, 3)
    soak.kiosk.spine.faults.once(fault, endpoint="authlogout", times=times)
    soak.goes()


def pcscd_restarts(soak: Soak) -> None:
    soak.comes()
    if soak.random.random() < 0.5:
        soak.signs_in()
    soak.pcscd.stop()
    soak.kiosk.sees("no_reader")
    soak.kiosk.slot.pull()
    soak.pcscd.start()
    soak.kiosk.sees("no_card")
    soak.is_over()


def agent_is_killed(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    soak.kiosk.is_killed()
    soak.kiosk.slot.pull()
    soak.kiosk.sees("no_card")
    time.sleep(LOOK_SECONDS)
    soak.is_over()


def x_server_restarts(soak: Soak) -> None:
    soak.comes()
    soak.signs_in()
    soak.kiosk.loses_its_screen()
    soak.kiosk.slot.pull()
    soak.kiosk.sees("no_card")
    time.sleep(LOOK_SECONDS)
    soak.is_over()


VISITS: dict[Visit, int] = {
    plain: 50,
    logs_out: 10,
    wrong_passcode: 8,
    pulls_early: 8,
    swaps: 8,
    spoiled_sign_in: 6,
    spoiled_log_out: 4,
    pcscd_restarts: 2,
    agent_is_killed: 2,
    x_server_restarts: 2,
}


# The visits where a session is kept without its card (Session Lock Persistence).


def comes_back(soak: Soak, card: str) -> None:
    """With the passcode, to the session that was kept."""
    soak.kiosk.slot.insert(card)
    soak.kiosk.types(PASSCODE)
    soak.kiosk.sees("signed_in")


def ends_for_good(soak: Soak, then: str) -> None:
    soak.kiosk.asks("DestroyTicket")
    soak.kiosk.sees("signed_out")
    soak.kiosk.slot.pull()
    soak.kiosk.sees(then)


def goes_out_and_comes_back(soak: Soak) -> None:
    card = soak.comes()
    soak.signs_in()
    soak.kiosk.slot.pull()
    soak.kiosk.sees("locked")
    assert soak.open_sessions() == 1
    comes_back(soak, card)
    ends_for_good(soak, "no_card")
    soak.is_over()


def another_comes(soak: Soak) -> str:
    """While the session of the first is kept, whose card is returned."""
    first, second = soak.random.sample(CARDS, 2)
    soak.comes(card=first)
    soak.signs_in()
    soak.kiosk.slot.pull()
    soak.kiosk.sees("locked")
    soak.kiosk.slot.insert(second)
    soak.kiosk.sees("passcode")
    soak.signs_in(open_sessions=2)
    return first


def is_parked(soak: Soak) -> None:
    """Another person comes in between, who sees nothing of who was there before."""
    first = another_comes(soak)
    ends_for_good(soak, "no_card")
    comes_back(soak, first)
    ends_for_good(soak, "no_card")
    soak.is_over()


def is_killed_while_others_are_parked(soak: Soak) -> None:
    another_comes(soak)
    soak.kiosk.is_killed()
    soak.kiosk.slot.pull()
    soak.kiosk.sees("no_card")
    time.sleep(LOOK_SECONDS)
    soak.is_over()


KEPT_VISITS: dict[Visit, int] = {goes_out_and_comes_back: 40, is_parked: 30, is_killed_while_others_are_parked: 3}
BRUTAL = {agent_is_killed, x_server_restarts, is_killed_while_others_are_parked}
