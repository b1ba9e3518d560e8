"""Two cards in: the window asks which is meant, and nothing typed for one reaches the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.agent import Slot
from support.screen import Display
from support.spine import Spine
from support.two_readers import TwoReaders
from support.window import WindowOnScreen, text_of

import agent
from agent import SETTLE_SECONDS, Broker, State, describe_card

PRESSES = ("Return", "KP_Enter", "space")


@pytest.fixture
def window(screen: Display, spine: Spine, source: TwoReaders, slots: list[Slot]) -> Iterator[WindowOnScreen]:
    """The window, waiting for a card in one of two readers."""
    window = WindowOnScreen(screen, source, lambda: Broker(spine.url, spine.ca_file))
    yield window
    window.close()


def choosing(window: WindowOnScreen, slots: list[Slot], *cards: str) -> list[str]:
    """Put the cards in; return what the buttons for them say."""
    for slot, card in zip(slots, cards or ("one-role", "three-roles"), strict=True):
        slot.insert(card)
        window.sees(State.PASSCODE, State.CHOOSING_CARD)
    window.sees(State.CHOOSING_CARD)
    return [describe_card(*each) for each in window.conductor.owners.items()]


def test_the_question_names_owner_and_reader_of_each(
    window: WindowOnScreen, slots: list[Slot], source: TwoReaders
) -> None:
    choosing(window, slots)
    window.picture("cards")
    text = window.text()
    assert "Which card is yours?" in text
    for uid, reader in zip(("555000000002", "555000000001"), source.readers, strict=True):
        assert f"{uid}\nin embedded reader at {reader.address}" in text


def test_the_chosen_one_is_signed_in(window: WindowOnScreen, slots: list[Slot]) -> None:
    first, _ = choosing(window, slots)
    window.clicks(first)
    window.sees(State.PASSCODE)
    window.waits(lambda: "Card of 555000000002 in embedded reader" in window.text())
    window.signs_in()
    window.sees(State.SIGNED_IN)
    assert window.session.uid == "555000000002"


def test_what_was_typed_before_the_second_came_is_gone(window: WindowOnScreen, slots: list[Slot]) -> None:
    slots[0].insert("one-role")
    window.sees(State.PASSCODE)
    window.types("123456")
    slots[1].insert("three-roles")
    window.sees(State.CHOOSING_CARD)
    window.types("123456")
    window.clicks(describe_card(*list(window.conductor.owners.items())[1]))
    window.sees(State.PASSCODE)
    assert not window.passcode_field().get()


def test_nothing_that_is_pressed_too_soon_chooses(window: WindowOnScreen, slots: list[Slot]) -> None:
    texts = choosing(window, slots)
    for key in PRESSES:
        window.presses(key, key, after=0)
    window.now += SETTLE_SECONDS - 0.01
    for text in texts:
        window.clicks(text, after=0)
        window.clicks(text, after=0)
    window.catches_up()
    assert window.conductor.state is State.CHOOSING_CARD


def test_enter_and_space_find_nothing_to_press_on_arrival(window: WindowOnScreen, slots: list[Slot]) -> None:
    choosing(window, slots)
    for key in PRESSES:
        window.presses(key, key)
    window.catches_up()
    assert window.conductor.state is State.CHOOSING_CARD


def test_an_expired_card_says_so_beside_its_number(window: WindowOnScreen, slots: list[Slot]) -> None:
    choosing(window, slots, "one-role", "expired")
    window.picture("cards-expired")
    assert "555000000006: This card has expired." in window.text()


@pytest.mark.parametrize("zoom", [1, 2])
@pytest.mark.parametrize("display", ["1024x768", "1920x1080"], indirect=True)
def test_with_the_longest_names_each_can_be_read_and_reached(
    window: WindowOnScreen, slots: list[Slot], zoom: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    choosing(window, slots)
    long = "HID Global OMNIKEY 5422CL Smartcard Reader [OMNIKEY 5422CL Smartcard Reader] (KP01234567) 01 00"
    for card in window.conductor.cards:
        object.__setattr__(card, "reader", long)
    window.conductor.on_change(State.CHOOSING_CARD)
    window.window.zoom(zoom / window.window.theme.zoom)
    width, height = window.root.winfo_width(), window.root.winfo_height()
    window.picture(f"cards-long-{window.root.winfo_screenwidth()}-{zoom}")
    for button in window.buttons():
        assert button.winfo_rootx() + button.winfo_width() <= width, text_of(button)
        assert button.winfo_rooty() + button.winfo_height() <= height, text_of(button)
        assert button.winfo_width() >= button.winfo_reqwidth(), text_of(button)


def test_of_a_card_that_is_slow_it_is_said_when_it_is_given_up(
    window: WindowOnScreen, slots: list[Slot], source: TwoReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "CARD_SLOW_MS", 50)
    source.go.clear()
    slots[0].insert("one-role")
    window.waits(lambda: "Your card is slow." in window.text())
    assert "given up after 20 seconds" in window.text()
    window.picture("card-slow")
    source.go.set()
    window.sees(State.PASSCODE)
    assert "slow" not in window.text()


def test_before_the_last_try_it_is_said_whose_card_would_lock(window: WindowOnScreen, slots: list[Slot]) -> None:
    first, _ = choosing(window, slots)
    window.clicks(first)
    for _ in range(3):
        window.signs_in("000000")
        window.sees(State.PASSCODE, State.LAST_TRY, State.CONFIRMING)
    window.sees(State.CONFIRMING)
    window.waits(lambda: "Card of 555000000002 in embedded reader" in window.text())
