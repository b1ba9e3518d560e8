"""A second Enter, Space or click, meant for the screen before, does nothing on the next; digits are kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.agent import HeldBroker, Slot
from support.agent_screens import VISITS, Visit
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen, text_of

from agent import DOT, SETTLE_SECONDS, State
from demo import EmbeddedReader

PRESSES = ("Return", "KP_Enter", "space")


def situation(window: WindowOnScreen) -> tuple[object, ...]:
    """What a key or a click may harm."""
    conductor, attempt = window.conductor, window.conductor.attempt
    shown = type(window.window.screen), conductor.request
    return conductor.state, conductor.problem, attempt, attempt and attempt.signed_in, shown


def presses_everything_twice(window: WindowOnScreen, after: float) -> None:
    for key in PRESSES:
        window.presses(key, key, after=0)
    window.now += after
    for button in window.buttons():
        if str(button.cget("style")) != "Pad.TButton":  # digits harm nobody
            window.clicks(text_of(button), after=0)
            window.clicks(text_of(button), after=0)
    for key in PRESSES:
        window.presses(key, key, after=0)
    window.catches_up()


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_every_key_and_click_pressed_twice_within_400_ms_does_nothing(
    window: WindowOnScreen, slot: Slot, visit: Visit
) -> None:
    visit(window, slot)
    before = situation(window)
    presses_everything_twice(window, after=SETTLE_SECONDS - 0.01)
    assert situation(window) == before


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_enter_and_space_find_nothing_to_press_on_arrival(window: WindowOnScreen, slot: Slot, visit: Visit) -> None:
    visit(window, slot)
    before = situation(window)
    for key in PRESSES:
        window.presses(key, key, after=0.7)
    window.catches_up()
    assert situation(window) == before


@pytest.fixture
def signing_in(screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot) -> Iterator[WindowOnScreen]:
    """The window while the broker takes its time and Cancel has just appeared."""
    broker = HeldBroker(spine, "validate")
    window = WindowOnScreen(screen, reader, lambda: broker)
    slot.insert("one-role")
    window.signs_in()
    window.waits(lambda: "Cancel" in window.text())
    yield window
    broker.go.set()
    window.close()


def test_cancel_is_not_pressed_as_it_appears(signing_in: WindowOnScreen) -> None:
    presses_everything_twice(signing_in, after=SETTLE_SECONDS - 0.01)
    assert signing_in.conductor.state is State.SIGNING_IN


def test_cancel_does_not_have_the_keyboard(signing_in: WindowOnScreen) -> None:
    signing_in.presses(*PRESSES, after=0.7)
    signing_in.catches_up()
    assert signing_in.conductor.state is State.SIGNING_IN


def test_a_passcode_typed_at_once_is_kept_until_a_deliberate_enter(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.READING, State.PASSCODE)
    window.types("123456")
    window.presses("Return", after=0)
    window.catches_up()
    assert window.passcode_field().get() == DOT * 6
    window.presses("Return")
    window.sees(State.SIGNED_IN)


def test_digits_typed_with_the_keyboard_on_a_button_go_to_the_passcode(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.presses("Tab")
    window.types("123456")
    window.presses("Return")
    window.sees(State.SIGNED_IN)
