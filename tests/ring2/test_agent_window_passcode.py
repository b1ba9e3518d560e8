"""A new passcode in the window: from the passcode's screen, in a session, and for a card that is locked."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from support.agent import Slot
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen, text_of

from agent import SETTLE_SECONDS, Broker, Fault, State
from demo import EmbeddedReader

OLD, NEW, CODE = "123456", "802917", "12345678"


def card_of(data: Path, name: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((data / "cards" / name / "card.json").read_text())
    return settings


def enters(window: WindowOnScreen, *typed: str) -> None:
    for each in typed:
        window.types(each)
        window.waits(lambda each=each: len(window.passcode_field().get()) == len(each))
        window.presses("Return")
        window.waits(lambda: not any(map(text_of, window.widgets_called("passcode"))))


def labelled(window: WindowOnScreen, text: str) -> Any:
    """The widget that says this, if any can be seen."""
    return next((each for each in window.widgets() if text_of(each) == text), None)


def changing(window: WindowOnScreen, slot: Slot, card: str = "one-role") -> None:
    slot.insert(card)
    window.sees(State.PASSCODE, State.LAST_TRY)
    window.clicks("Change passcode")
    window.waits(lambda: "that you have now" in window.text())


def test_the_new_passcode_is_the_one_that_signs_in(window: WindowOnScreen, slot: Slot, data: Path) -> None:
    changing(window, slot)
    window.picture("passcode-old")
    enters(window, OLD)
    window.picture("passcode-new")
    enters(window, NEW, NEW)
    window.waits(lambda: "Your new passcode is set" in window.text())
    window.picture("passcode-set")
    assert card_of(data, "one-role")["passcode"] == NEW
    window.clicks("Go on")
    window.sees(State.PASSCODE)
    window.signs_in(NEW)
    window.sees(State.SIGNED_IN)


def test_in_a_session_it_goes_on_with_the_new_passcode(window: WindowOnScreen, slot: Slot, data: Path) -> None:
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    ticket = window.session.ticket
    window.clicks("Change passcode")
    enters(window, OLD, NEW, NEW)
    window.waits(lambda: "Your new passcode is set" in window.text())
    window.clicks("Go on")
    window.waits(lambda: "You are signed in" in window.text())
    assert window.session.ticket == ticket
    assert card_of(data, "one-role")["passcode"] == NEW


def test_a_locked_card_gets_a_passcode_by_its_code(window: WindowOnScreen, slot: Slot, data: Path) -> None:
    slot.insert("locked")
    window.sees(State.PROBLEM)
    window.clicks("Unlock with a code")
    window.waits(lambda: "unblocking code" in window.text())
    window.picture("passcode-unlock")
    enters(window, CODE, NEW, NEW)
    window.waits(lambda: "Your new passcode is set" in window.text())
    window.clicks("Go on")
    window.sees(State.PASSCODE)
    assert (card_of(data, "locked")["passcode"], card_of(data, "locked")["tries_left"]) == (NEW, 3)


def test_a_wrong_code_costs_one_of_its_own_tries(window: WindowOnScreen, slot: Slot, data: Path) -> None:
    slot.insert("locked")
    window.sees(State.PROBLEM)
    window.clicks("Unlock with a code")
    enters(window, "00000000", NEW, NEW)
    window.waits(lambda: "That unblocking code is not right. 2 tries left." in window.text())
    assert card_of(data, "locked")["tries_left"] == 0


def test_a_wrong_old_passcode_costs_one_try_and_says_so(window: WindowOnScreen, slot: Slot, data: Path) -> None:
    changing(window, slot)
    enters(window, "000000", NEW, NEW)
    window.waits(lambda: "That passcode is not right. 2 tries left." in window.text())
    assert card_of(data, "one-role")["tries_left"] == 2
    window.clicks("Cancel")
    window.sees(State.PASSCODE)


def test_on_the_last_try_it_is_said_and_a_card_that_locks_is_explained(
    window: WindowOnScreen, slot: Slot, data: Path
) -> None:
    changing(window, slot)
    for tries in ("2 tries left.", "1 try left. Check"):
        enters(window, "000000", NEW, NEW)
        window.waits(lambda tries=tries: tries in window.text())
    window.clicks("Cancel")
    window.sees(State.LAST_TRY)
    window.clicks("Change passcode")
    window.waits(lambda: "A wrong passcode now locks the card." in window.text())
    enters(window, "000000", NEW, NEW)
    window.waits(lambda: "This card is locked." in window.text())
    window.picture("passcode-locked")
    window.types(OLD)
    window.presses("Return")
    window.clicks("Cancel")
    window.sees(State.PROBLEM)
    assert window.conductor.problem.fault is Fault.CARD_LOCKED  # type: ignore[union-attr]
    assert card_of(data, "one-role")["passcode"] == OLD


@pytest.mark.parametrize(
    ("new", "why"), [("1490", "6 to 8 digits"), ("121212", "repeats"), ("555000", "your number"), (OLD, "count up")]
)
def test_a_weak_one_is_refused_with_the_reason_before_the_card_is_asked(
    new: str, why: str, window: WindowOnScreen, slot: Slot, data: Path
) -> None:
    changing(window, slot)
    enters(window, OLD, new)
    window.waits(lambda: why in window.text())
    window.picture(f"passcode-weak-{why.split()[0]}")
    enters(window, NEW, "802918")
    window.waits(lambda: "The two were not the same." in window.text())
    assert card_of(data, "one-role")["passcode"] == OLD
    enters(window, NEW, NEW)
    window.waits(lambda: "Your new passcode is set" in window.text())


def test_nothing_typed_remains_and_nothing_goes_to_another_card(window: WindowOnScreen, slot: Slot, data: Path) -> None:
    changing(window, slot)
    enters(window, OLD, NEW)
    screen: Any = window.window.screen
    known, new = screen._known, screen._new
    slot.pull()
    window.sees(State.WAITING)
    assert not any(known._digits + new._digits)
    slot.insert("three-roles")
    window.sees(State.PASSCODE)
    assert not window.passcode_field().get()
    assert "Type your passcode" in window.text()
    assert card_of(data, "one-role")["passcode"] == card_of(data, "three-roles")["passcode"] == OLD


def test_nothing_pressed_too_soon_leaves_or_goes_on(window: WindowOnScreen, slot: Slot) -> None:
    changing(window, slot)
    for key in ("Return", "KP_Enter", "space"):
        window.presses(key, key, after=0)
    window.now += SETTLE_SECONDS - 0.01
    for text in ("Go on", "Cancel"):
        window.clicks(text, after=0)
        window.clicks(text, after=0)
    window.catches_up()
    assert "that you have now" in window.text()


@pytest.mark.parametrize("display", ["800x600", "1024x768"], indirect=True)
@pytest.mark.parametrize("card", ["one-role", "locked"])
def test_with_the_largest_text_all_can_be_reached(window: WindowOnScreen, slot: Slot, card: str) -> None:
    slot.insert(card)
    window.sees(State.PASSCODE, State.PROBLEM)
    window.clicks("Change passcode" if card == "one-role" else "Unlock with a code")
    for zoom in (1, 2, 2.5):
        window.window.zoom(zoom / window.window.theme.zoom)
        width, height = window.root.winfo_width(), window.root.winfo_height()
        window.picture(f"passcode-{card}-{width}-{zoom}")
        for widget in (*window.buttons(), *window.widgets_called("passcode")):
            assert widget.winfo_rootx() + widget.winfo_width() <= width, text_of(widget)
            assert widget.winfo_rooty() + widget.winfo_height() <= height, text_of(widget)


def test_in_a_kiosk_the_name_in_the_bar_leads_there_but_not_by_a_click_that_comes_too_soon(
    screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot
) -> None:
    window = WindowOnScreen(screen, reader, lambda: Broker(spine.url, spine.ca_file), kiosk=True)
    with contextlib.closing(window):
        slot.insert("one-role")
        window.signs_in()
        window.sees(State.SIGNED_IN)
        window.waits(lambda: labelled(window, window.session.cn))
        for after, shown in ((0.1, False), (1, True)):
            window.now += after
            name = labelled(window, window.session.cn)
            window.display.click(name.winfo_rootx() + 4, name.winfo_rooty() + 4)
            window.catches_up()
            assert ("Change passcode" in window.text()) == shown
        window.clicks("Change passcode")
        window.waits(lambda: "that you have now" in window.text())
        window.clicks("Cancel")
        window.waits(lambda: labelled(window, window.session.cn))
