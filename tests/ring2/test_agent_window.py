"""The window, driven by real keys and a real mouse on a virtual screen."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from support.agent import Slot
from support.emulator import write_settings
from support.spine import Spine
from support.window import WindowOnScreen

from agent import EARLY_TYPING_MS, LOG, State


def role_assertion(spine: Spine, ticket: str) -> str:
    """What an application gets for this ticket."""
    url = f"{spine.url}/saml/RoleAssertion"
    return requests.get(url, params={"token": ticket}, verify=str(spine.ca_file), timeout=10).text


def test_a_person_signs_in_chooses_the_second_role_and_pulls_the_card(
    window: WindowOnScreen, slot: Slot, spine: Spine
) -> None:
    window.picture("1-waiting")
    slot.insert("three-roles")
    window.sees(State.PASSCODE)
    window.types("123456")
    window.picture("2-passcode")
    window.presses("Return")
    window.sees(State.CHOOSING_ROLE)
    window.picture("3-roles")
    window.presses("Down", "Down", "Return")
    window.sees(State.SIGNED_IN)
    window.picture("4-signed-in")
    assert "Nurse & Midwife Access Role" in window.text()
    ticket = window.session.ticket
    assert "samlp:Success" in role_assertion(spine, ticket)
    slot.pull()
    window.sees(State.WAITING)
    window.picture("5-card-out")
    window.waits(lambda: "session is over" in window.text())
    assert "samlp:Success" not in role_assertion(spine, ticket)


def test_nothing_of_one_person_is_left_for_the_next(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    name, uid, ticket = window.session.cn, window.session.uid, window.session.ticket
    assert name in window.text()
    assert uid in window.text()
    assert ticket not in window.text()
    slot.pull()
    window.sees(State.WAITING)
    window.waits(lambda: "taken out" in window.text())
    assert not [word for word in (name, uid, ticket, "123456") if word in window.text()]


def test_digits_typed_before_the_card_is_noticed_are_kept(window: WindowOnScreen, slot: Slot) -> None:
    window.types("123")
    window.waits(lambda: window.window.early_typing == "123")
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.types("456")
    window.presses("Return")
    window.sees(State.SIGNED_IN)


def test_digits_typed_without_a_card_are_soon_forgotten(window: WindowOnScreen) -> None:
    window.types("123")
    window.waits(lambda: window.window.early_typing == "123")
    assert EARLY_TYPING_MS <= 3000
    window.waits(lambda: not window.window.early_typing)


def test_the_number_pad_signs_in_by_touch_alone(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    for key in ("9", "Clear", "1", "2", "3", "4", "7", "\u232b", "5", "6", "Sign in"):
        window.clicks(key)
    window.sees(State.SIGNED_IN)
    window.clicks("Log out")
    window.waits(lambda: "You are signed out" in window.text())
    window.clicks("Sign in again")
    window.sees(State.PASSCODE)


def test_the_last_try_is_asked_about_before_it_is_spent(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.signs_in("000000")
    window.waits(lambda: "2 tries left" in window.text())
    assert not window.passcode_field().get()
    window.signs_in("000000")
    window.sees(State.LAST_TRY)
    window.waits(lambda: "1 try left" in window.text())
    window.types("111111")
    window.presses("Return")
    window.sees(State.CONFIRMING)
    window.picture("last-try")
    window.presses("Tab", "Return")
    window.sees(State.LAST_TRY)
    window.signs_in()
    window.sees(State.CONFIRMING)
    window.presses("Tab", "Tab", "Return")
    window.sees(State.SIGNED_IN)


def test_one_of_forty_roles_is_found_by_typing(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("forty-roles")
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)
    window.types("pharmac")
    window.picture("forty-roles")
    window.presses("Down", "Return")
    window.sees(State.SIGNED_IN)
    assert window.conductor.attempt
    assert window.conductor.signed_in().role
    assert "Pharmac" in window.conductor.signed_in().role.name


def test_a_role_that_nobody_has_cannot_be_chosen(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("three-roles")
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)
    window.types("astronaut")
    window.presses("Return")
    window.sees(State.CHOOSING_ROLE)
    window.clicks("Log out")
    window.sees(State.SIGNED_OUT)


def test_a_problem_says_what_to_do_and_has_its_detail_one_click_away(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("expired")
    window.sees(State.PROBLEM)
    assert "This card has expired." in window.text()
    assert "exit code" not in window.text()
    window.clicks("Technical detail")
    assert "CARD_EXPIRED (exit code 7)" in window.text()
    window.picture("expired")
    slot.pull()
    window.sees(State.WAITING)


def test_a_card_without_roles_signs_in_and_says_so(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("no-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    assert "You have no role" in window.text()


def test_a_card_that_expires_soon_says_so(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("expiring")
    window.sees(State.PASSCODE)
    window.waits(lambda: "Your card expires in 1" in window.text())


def test_no_log_and_no_screen_ever_holds_passcode_or_ticket(
    window: WindowOnScreen, slot: Slot, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_settings(data / "cards" / "three-roles", passcode="739184")
    seen = []
    # Of the agent by name: a main() that another test ran in this process has set its level.
    with caplog.at_level(logging.NOTSET), caplog.at_level(logging.DEBUG, LOG.name):
        slot.insert("three-roles")
        window.signs_in("000000")
        window.waits(lambda: "2 tries left" in window.text())
        window.signs_in("739184")
        window.sees(State.CHOOSING_ROLE)
        seen.append(window.text())
        ticket = window.session.ticket
        window.presses("Down", "Return")
        window.sees(State.SIGNED_IN)
        seen.append(window.text())
        window.clicks("Log out")
        window.waits(lambda: "session is over" in window.text())
        seen.append(window.text())
    written = "\n".join([*seen, caplog.text])
    assert "Signed in as Amara Okafor" in caplog.text
    assert not [secret for secret in (*forms("739184"), *forms(ticket)) if secret in written]


def forms(secret: str) -> list[str]:
    """A secret as text, hex, base64 and in an address."""
    raw = secret.encode()
    return [secret, raw.hex(), raw.hex(" ").upper(), base64.b64encode(raw).decode(), quote(secret, safe="")]
