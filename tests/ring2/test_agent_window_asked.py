"""What the window shows of the programs that want a sign-in, or an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.agent import Slot
from support.window import WindowOnScreen, text_of

from agent import DOT, MAY_HAVE, SETTLE_SECONDS, Request, State

ORIGIN = "https://app.example"
PROGRAM = "/usr/bin/python3.11"
LONG = "https://" + "a-very-long-name." * 16 + "example:65535"


class Asked:
    """A program's wish on the window's screen, and what the person answered."""

    def __init__(self, window: WindowOnScreen, origin: str = ORIGIN, question: str = "") -> None:
        self.answers: list[Any] = []
        self.window = window
        window.conductor.ask(Request(origin, PROGRAM, question, self.answers.append))
        window.root.update()

    def withdraw(self) -> None:
        self.window.conductor.ask(None)
        self.window.root.update()


def signed_in(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)


def test_who_wants_a_sign_in_is_said_until_it_is_done(window: WindowOnScreen, slot: Slot) -> None:
    asked = Asked(window)
    window.picture("asked-waiting")
    assert f"{ORIGIN} asks you to sign in" in window.text()
    assert PROGRAM in window.text()
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    assert ORIGIN in window.text()
    window.picture("asked-passcode")
    window.types("123456")
    window.presses("Return")
    window.sees(State.SIGNED_IN)
    asked.withdraw()
    assert ORIGIN not in window.text()
    assert asked.answers == []


def test_a_program_without_a_page_is_named_by_its_path(window: WindowOnScreen) -> None:
    Asked(window, origin="")
    assert f"{PROGRAM} asks you to sign in" in window.text()


def test_a_person_refuses_but_not_by_a_click_that_came_too_soon(window: WindowOnScreen) -> None:
    asked = Asked(window)
    window.clicks("Do not sign in", after=0.1)
    window.catches_up()
    assert asked.answers == []
    window.clicks("Do not sign in")
    window.waits(lambda: asked.answers == [False])


def test_a_question_is_answered_by_nothing_pressed_too_soon(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    asked = Asked(window, question="Is it you?")
    for key in ("Return", "KP_Enter", "space"):
        window.presses(key, key, after=0)
    window.now += SETTLE_SECONDS - 0.01
    for button in window.buttons():
        window.clicks(text_of(button), after=0)
        window.clicks(text_of(button), after=0)
    window.catches_up()
    assert (asked.answers, window.conductor.state) == ([], State.SIGNED_IN)


def test_a_question_does_not_have_the_keyboard_on_an_answer(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    asked = Asked(window, question="Is it you?")
    for key in ("Return", "KP_Enter", "space"):
        window.presses(key)
    window.catches_up()
    assert (asked.answers, window.conductor.state) == ([], State.SIGNED_IN)


def test_digits_typed_before_stay_and_enter_refuses_nothing(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.types("1234")
    window.waits(lambda: window.passcode_field().get() == DOT * 4)
    asked = Asked(window)
    window.types("56")
    window.waits(lambda: window.passcode_field().get() == DOT * 6)
    window.presses("Return")
    window.sees(State.SIGNED_IN)
    assert asked.answers == []


def test_a_question_takes_the_place_of_the_session_until_it_is_answered(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    for answer in ("Yes", "No"):
        asked = Asked(window, question=MAY_HAVE)
        window.picture("asked-question")
        assert MAY_HAVE in window.text()
        assert "You are signed in" not in window.text()
        window.presses("Return", "space", after=0)
        window.presses("Return", "space")
        window.catches_up()
        assert asked.answers == []
        window.clicks(answer)
        window.waits(lambda asked=asked, answer=answer: asked.answers == [answer == "Yes"])
        asked.withdraw()
        assert "You are signed in" in window.text()


def test_a_question_goes_with_the_card(window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    Asked(window, question=MAY_HAVE)
    slot.pull()
    window.sees(State.WAITING)
    assert MAY_HAVE not in window.text()


@pytest.mark.parametrize("display", ["1024x768", "1920x1080"], indirect=True)
@pytest.mark.parametrize("zoom", [1, 2])
@pytest.mark.parametrize("question", ["", "Do you want to send this prescription to the pharmacy? " * 3])
def test_the_longest_origin_can_be_read_and_every_button_reached(
    window: WindowOnScreen, slot: Slot, zoom: float, question: str
) -> None:
    (signed_in if question else lambda window, slot: slot.insert("one-role"))(window, slot)
    window.sees(State.SIGNED_IN if question else State.PASSCODE)
    window.window.zoom(zoom / window.window.theme.zoom)
    Asked(window, LONG, question.strip())
    width, height = window.root.winfo_width(), window.root.winfo_height()
    window.picture(f"asked-long-{window.root.winfo_screenwidth()}-{zoom}{'-question' if question else ''}")
    fields = [each for each in window.widgets() if each.winfo_class() == "Entry"]
    labels = [each for each in window.widgets() if "example:65535" in text_of(each)]
    assert labels
    for widget in (*window.buttons(), *fields, *labels):
        assert widget.winfo_rootx() + widget.winfo_width() <= width, text_of(widget)
        assert widget.winfo_rooty() + widget.winfo_height() <= height, text_of(widget)
        assert widget.winfo_height() >= widget.winfo_reqheight(), text_of(widget)


def test_the_window_comes_back_when_it_is_asked(window: WindowOnScreen, waits_iconic: Callable[[], None]) -> None:
    waits_iconic()
    Asked(window)
    window.waits(window.root.winfo_viewable)


@pytest.fixture
def waits_iconic(window: WindowOnScreen) -> Callable[[], None]:
    def hide() -> None:
        window.root.withdraw()
        window.waits(lambda: not window.root.winfo_viewable())

    return hide
