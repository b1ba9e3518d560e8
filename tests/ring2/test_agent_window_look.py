"""How the window looks: nothing cut off, enough contrast, quiet when idle, the strip, the kiosk."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from tkinter import ttk
from typing import Any, ClassVar

import pytest
from support.agent import Slot
from support.agent_screens import VISITS, Visit, passcode, technical_detail, waiting
from support.emulator import EmulatorProgram
from support.machine import need
from support.scenes import ROLES, SCENES, Stage
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen, text_of

import agent
import demo
from agent import Broker, Colour, State

EIGHT_CARDS = ("expired", "expiring", "forty-roles", "locked", "no-role", "one-role", "revoked", "three-roles")


@pytest.mark.parametrize("visit", [*VISITS, technical_detail], ids=lambda visit: visit.__name__)
def test_nothing_is_cut_off_at_1024x768(window: WindowOnScreen, slot: Slot, visit: Visit) -> None:
    """On the way there with text twice as large, and then with the usual text. `tox -e pictures` shows them."""
    demo.DemonstrationStrip(window.window, lambda command: {"cards": [{"name": name} for name in EIGHT_CARDS]})
    window.window.zoom(2)
    visit(window, slot)
    for zoom in (2, 1):
        window.window.zoom(zoom / window.window.theme.zoom)
        assert (window.root.winfo_width(), window.root.winfo_height()) == (1024, 768)
        for widget in window.widgets():
            right, bottom = (widget.winfo_rootx() + widget.winfo_width(), widget.winfo_rooty() + widget.winfo_height())
            assert right <= 1024, f"{widget} {text_of(widget)!r} ends at x={right}"
            assert bottom <= 768, f"{widget} {text_of(widget)!r} ends at y={bottom}"
            if widget.winfo_class() in ("TLabel", "TButton"):
                assert widget.winfo_width() >= widget.winfo_reqwidth(), text_of(widget)
                assert widget.winfo_height() >= widget.winfo_reqheight(), text_of(widget)


@pytest.mark.parametrize("percent", [100, 200])
def test_the_whole_name_of_the_chosen_role_can_be_read(percent: int, screen: Display) -> None:
    """The list shows as much of it as fits into a line."""
    need("Xlib")
    stage = Stage(kiosk=True)
    stage.window.zoom(percent / 100)
    stage.shows("roles-long-name")
    assert f"{ROLES[1].org_code} {ROLES[1].org_name}" in labels(stage)
    stage.window.screen.list.selection_set("0")  # type: ignore[attr-defined]
    stage.root.update()
    assert not any(ROLES[1].org_name in label for label in labels(stage))
    stage.close()


def labels(stage: Stage) -> list[str]:
    return [text_of(each) for each in agent.visible(stage.root) if each.winfo_class() == "TLabel"]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2: 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_formula_gives_the_standards_own_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(("contrast_theme", "least"), [(False, 4.5), (True, 7)], ids=["usual theme", "contrast theme"])
@pytest.mark.parametrize("kiosk", [False, True], ids=["window", "kiosk"])
def test_every_text_of_every_screen_has_enough_contrast(
    kiosk: bool, contrast_theme: bool, least: float, screen: Display
) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.6."""
    if kiosk:
        need("Xlib")
    stage, weak = Stage(kiosk=kiosk, contrast=contrast_theme), []
    for name in SCENES:
        stage.shows(name)
        texts = (
            each for each in agent.visible(stage.root) if each.winfo_class() in ("TLabel", "TButton", "Entry", "Text")
        )
        ratios = {
            text_of(each): contrast(*(colour_of(each, part) for part in ("foreground", "background"))) for each in texts
        }
        weak += [(name, text, round(ratio, 2)) for text, ratio in ratios.items() if ratio < least]
    stage.close()
    assert not weak


def colour_of(widget: Any, part: str) -> str:
    """A colour of a widget in its present state, whether it has the colour itself or from its style."""
    if widget.winfo_class() in ("Entry", "Text"):
        return str(widget.cget(part))
    style = str(widget.cget("style")) or widget.winfo_class()
    return str(ttk.Style(widget).lookup(style, part, widget.state()))


def test_the_colours_of_the_palette_differ() -> None:
    assert contrast(Colour.WHITE, Colour.BLUE) >= 4.5
    assert contrast(Colour.TEXT, Colour.FOCUS) >= 4.5


@pytest.mark.parametrize("visit", [waiting, passcode], ids=["card absent", "card present"])
def test_an_idle_window_has_nothing_to_wake_up_for(window: WindowOnScreen, slot: Slot, visit: Visit) -> None:
    visit(window, slot)
    window.waits(lambda: not window.root.tk.call("after", "info"))


class SlowBroker(Broker):
    """A broker that answers the signed challenge when the test is over."""

    over: ClassVar = threading.Event()

    def validate(self, uid: str, challenge: agent.Challenge, der: bytes) -> agent.Session:
        self.over.wait(10)
        raise agent.AgentError(agent.Fault.BROKER_TIMEOUT)


def test_a_slow_broker_shows_progress_and_can_be_cancelled(
    screen: Display, spine: Spine, reader: demo.EmbeddedReader, slot: Slot
) -> None:
    window = WindowOnScreen(screen, reader, lambda: SlowBroker(spine.url, spine.ca_file))
    try:
        slot.insert("one-role")
        window.signs_in()
        window.sees(State.SIGNING_IN)
        assert "Cancel" not in window.text()
        window.waits(lambda: "Cancel" in window.text())
        window.picture("slow")
        window.clicks("Cancel")
        window.sees(State.PASSCODE)
    finally:
        SlowBroker.over.set()
        window.close()


def test_the_demonstrations_strip_puts_cards_in_and_pulls_them(
    window: WindowOnScreen, data: Path, reader: demo.EmbeddedReader
) -> None:
    emulator = EmulatorProgram(data, reader.address)
    try:
        assert emulator.ready()
        demo.DemonstrationStrip(window.window, functools.partial(demo.ask_emulator, data / "emulator.sock"))
        assert "DEMONSTRATION, not part of the agent" in window.text()
        window.clicks("expired")
        window.sees(State.PROBLEM)
        window.clicks("one-role")
        window.sees(State.PASSCODE)
        window.picture("strip")
        window.clicks("Pull the card")
        window.sees(State.WAITING)
    finally:
        emulator.stop()
    window.clicks("one-role")
    window.waits(lambda: "The virtual card does not answer" in window.text())
