"""The window on small and large screens, with small and large text, with and without a window manager."""

from __future__ import annotations

import pytest
from support.agent import Slot
from support.agent_screens import VISITS, Visit
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen, text_of

from agent import Broker, State
from demo import EmbeddedReader

SIZES = ["800x600", "1024x768", "1920x1080"]


@pytest.mark.parametrize("display", SIZES, indirect=True)
def test_eight_dots_show_at_every_size_of_text(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.types("12345678")
    field = window.passcode_field()
    window.waits(lambda: len(field.get()) == 8)
    for zoom in (0.75, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5):
        window.window.zoom(zoom / window.window.theme.zoom)
        window.root.update()
        dots = window.window.theme.fonts["dots"].measure(str(field.cget("show")) * 8)
        assert window.window.theme.zoom == zoom
        assert field.xview() == (0, 1), f"at {zoom}"
        assert dots < field.winfo_width() - 8, f"at {zoom}"
        assert field.winfo_rootx() + field.winfo_width() <= window.root.winfo_screenwidth()


@pytest.mark.parametrize("display", ["800x600"], indirect=True)
@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_every_button_can_be_reached_on_a_small_screen_with_the_largest_text(
    window: WindowOnScreen, slot: Slot, visit: Visit
) -> None:
    visit(window, slot)
    for zoom in (1, 2.5):
        window.window.zoom(zoom / window.window.theme.zoom)
        for widget in (*window.buttons(), *(each for each in window.widgets() if each.winfo_class() == "Entry")):
            assert widget.winfo_rootx() + widget.winfo_width() <= 800, text_of(widget)
            assert widget.winfo_rooty() + widget.winfo_height() <= 600, text_of(widget)
            assert widget.winfo_height() >= widget.winfo_reqheight(), text_of(widget)


@pytest.mark.parametrize("display", SIZES, indirect=True)
def test_a_kiosk_without_a_window_manager_fills_the_screen_has_the_keyboard_and_cannot_be_closed(
    screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot
) -> None:
    window = WindowOnScreen(screen, reader, lambda: Broker(spine.url, spine.ca_file), kiosk=True)
    try:
        whole = (window.root.winfo_screenwidth(), window.root.winfo_screenheight())
        window.waits(lambda: (window.root.winfo_width(), window.root.winfo_height()) == whole)
        window.root.tk.eval(window.root.protocol("WM_DELETE_WINDOW"))
        slot.insert("one-role")
        window.signs_in()
        window.sees(State.SIGNED_IN)
        window.picture(f"kiosk-{whole[0]}")
    finally:
        window.close()


def test_the_next_person_finds_the_text_as_large_as_it_was(window: WindowOnScreen, slot: Slot) -> None:
    at_first = window.window.theme.zoom
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.presses("ctrl+plus")
    window.waits(lambda: window.window.theme.zoom == at_first * 1.25)
    slot.pull()
    window.sees(State.WAITING)
    assert window.window.theme.zoom == at_first
