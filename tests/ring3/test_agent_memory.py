"""Nothing of a passcode or of a ticket is left in the agent's memory, its guardian's, or in what they wrote.

docs/safety.md says what may be left, and why. The passcodes are of 8 digits that are in no other number: whoever has
seven of them has all. A ticket is sought in pieces, as part of a freed piece of memory may have been used again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.emulator import PASSCODE as DEMONSTRATION
from support.emulator import tries_left_on_disk
from support.kiosk import Kiosk, set_passcode
from support.machine import need, wait_until
from support.memory import Copy, copies
from support.spine import Spine
from support.tokens import SoftToken

from agent import EARLY_TYPING_MS, SETTLE_SECONDS

PASSCODE, WRONG, NEW = "83915274", "61940738", "47208593"
ENDS_WITHIN = 5  # seconds until a log-out has been confirmed, and its thread has ended


def pieces(secret: str) -> list[str]:
    if len(secret) == len(PASSCODE):
        return [secret[:-1], secret[1:]]
    return [secret[start : start + 16] for start in range(0, len(secret) - 15, 8)]


def remains(kiosk: Kiosk, *secrets: str) -> list[Copy]:
    wanted = [piece for secret in secrets for piece in pieces(secret)]
    return [copy for pid in kiosk.family() for copy in copies(pid, *wanted)]


def leaves_nothing(kiosk: Kiosk, *secrets: str) -> None:
    left: list[Copy] = []

    def is_clean() -> bool:
        left[:] = remains(kiosk, *secrets)
        return not left

    try:
        wait_until(is_clean, ENDS_WITHIN)
    finally:
        assert [*map(str, left)] == []


@pytest.fixture(autouse=True)
def passcode_set(data: Path) -> None:
    need("pcscd", "vpcd")
    for card in ("three-roles", "one-role"):
        set_passcode(data, card, PASSCODE)


def test_the_search_finds_what_is_there(kiosk: Kiosk, data: Path) -> None:
    kiosk.slot.insert("three-roles")
    kiosk.sees("passcode")
    kiosk.display.type(PASSCODE)
    wait_until(lambda: remains(kiosk, PASSCODE), what="the digits that are still in the field")
    kiosk.enters("passcode")
    kiosk.chooses_a_role()
    agent, guardian, *_ = kiosk.family()
    assert copies(agent, kiosk.ticket())
    assert copies(guardian, kiosk.ticket())


@pytest.mark.parametrize("option", ["--kiosk", "--contrast"])
def test_a_session(option: str, start_kiosk: Callable[..., Kiosk]) -> None:
    """At a kiosk, with its bar, and elsewhere."""
    kiosk = start_kiosk(option)
    kiosk.slot.insert("three-roles")
    kiosk.types(PASSCODE)
    kiosk.sees("choosing_role")
    leaves_nothing(kiosk, PASSCODE)
    kiosk.chooses_a_role()
    leaves_nothing(kiosk, PASSCODE)
    ticket = kiosk.ticket()
    kiosk.slot.pull()
    kiosk.sees("no_card")
    leaves_nothing(kiosk, PASSCODE, ticket)
    assert not [secret for secret in (PASSCODE, ticket) if secret.encode() in kiosk.log.read_bytes()]


def test_a_session_that_is_kept_and_gone_on_with(start_kiosk: Callable[..., Kiosk]) -> None:
    kiosk = start_kiosk("--kiosk", "--session-lock-persistence")
    kiosk.slot.insert("one-role")
    kiosk.types(PASSCODE)
    kiosk.sees("signed_in")
    ticket = kiosk.ticket()
    kiosk.slot.pull()
    kiosk.sees("locked")
    leaves_nothing(kiosk, PASSCODE)
    kiosk.slot.insert("one-role")
    kiosk.types(PASSCODE)
    kiosk.sees("signed_in")
    leaves_nothing(kiosk, PASSCODE)
    kiosk.asks("DestroyTicket")
    kiosk.sees("signed_out")
    leaves_nothing(kiosk, PASSCODE, ticket)


def test_a_wrong_passcode_and_then_the_right_one(kiosk: Kiosk, data: Path) -> None:
    kiosk.slot.insert("one-role")
    kiosk.sees("passcode")
    kiosk.display.type(WRONG)
    kiosk.presses_until(lambda: tries_left_on_disk(data / "cards" / "one-role") == 2)
    kiosk.sees("passcode")
    leaves_nothing(kiosk, WRONG)
    kiosk.types(PASSCODE)
    kiosk.sees("signed_in")
    leaves_nothing(kiosk, WRONG, PASSCODE)


def test_a_passcode_that_is_changed(kiosk: Kiosk, data: Path) -> None:
    """The old one, and the new one, which is typed twice."""
    card = data / "cards" / "one-role"
    kiosk.slot.insert("one-role")
    kiosk.sees("passcode")
    enters_deliberately(kiosk, "Tab", "Tab", "Return")  # Sign in, Change passcode
    for typed in (PASSCODE, NEW, NEW):
        kiosk.display.type(typed)
        enters_deliberately(kiosk, "Return")
    wait_until(lambda: json.loads((card / "card.json").read_text())["passcode"] == NEW, what="the new passcode")
    leaves_nothing(kiosk, PASSCODE, NEW)


def enters_deliberately(kiosk: Kiosk, *keys: str) -> None:
    """Press the last of them until no screen takes it for a key of the one before; with no digits it does nothing."""
    settled = time.monotonic() + 2 * SETTLE_SECONDS
    kiosk.display.key(*keys[:-1] or ("Shift_L",))
    kiosk.presses_until(lambda: time.monotonic() > settled, keys[-1])


def corrects(kiosk: Kiosk) -> None:
    kiosk.display.type(PASSCODE)
    kiosk.display.key(*["BackSpace"] * len(PASSCODE))


def pulls_the_card(kiosk: Kiosk) -> None:
    kiosk.display.type(PASSCODE)
    kiosk.slot.pull()
    kiosk.sees("no_card")


def selects_and_copies(kiosk: Kiosk) -> None:
    kiosk.display.type(PASSCODE)
    kiosk.display.key("ctrl+a", "ctrl+c", "ctrl+x", *["BackSpace"] * len(PASSCODE))


@pytest.mark.parametrize("changes_mind", [corrects, pulls_the_card, selects_and_copies])
def test_what_was_typed_and_not_used(changes_mind: Callable[[Kiosk], None], kiosk: Kiosk) -> None:
    kiosk.slot.insert("one-role")
    kiosk.sees("passcode")
    changes_mind(kiosk)
    leaves_nothing(kiosk, PASSCODE)


def test_what_was_typed_before_a_card_came(kiosk: Kiosk) -> None:
    kiosk.display.type(PASSCODE)
    wait_until(lambda: not remains(kiosk, PASSCODE), EARLY_TYPING_MS / 1000 + ENDS_WITHIN, "digits that are forgotten")
    kiosk.slot.insert("one-role")
    kiosk.sees("passcode")
    kiosk.focuses()
    kiosk.types(PASSCODE)
    kiosk.sees("signed_in")
    leaves_nothing(kiosk, PASSCODE)


@pytest.mark.parametrize("fault", ["half-body", "http-503", "not-xml"])
def test_a_sign_in_that_the_broker_spoils(fault: str, kiosk: Kiosk, spine: Spine) -> None:
    spine.faults.once(fault, endpoint="authvalidate")
    kiosk.slot.insert("one-role")
    kiosk.types(PASSCODE)
    kiosk.sees("failed")
    leaves_nothing(kiosk, PASSCODE)


def test_a_token_s_module(soft_token: SoftToken, start_kiosk: Callable[..., Kiosk]) -> None:
    """Its process holds the passcode for as long as it signs, and ends then."""
    soft_token.tool("--login", "--pin", DEMONSTRATION, "--change-pin", "--new-pin", PASSCODE)
    kiosk = start_kiosk("--reader", soft_token.uri)
    kiosk.sees("passcode")
    assert len(kiosk.family()) == 3
    kiosk.types(PASSCODE)
    kiosk.sees("signed_in")
    ticket = kiosk.ticket()
    leaves_nothing(kiosk, PASSCODE)
    kiosk.asks("DestroyTicket")
    kiosk.sees("signed_out")
    leaves_nothing(kiosk, PASSCODE, ticket)
