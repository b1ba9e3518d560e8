"""The agent's window on a virtual screen, with real keys and a real mouse.

Fixture: `window` (the window, an empty card slot, and a running broker behind it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agent
import demo
from agent import Bridge, Broker, CardSource, Conductor, Digest, Mode, State
from demo import EmbeddedReader
from support.agent import Slot
from support.machine import need, wait_until
from support.screen import Display
from support.spine import Spine

PICTURES = Path(__file__).resolve().parents[2] / "build" / "pictures"


class WindowOnScreen:
    """What an unhurried person does with the window and sees of it.

    The window's clock stands still, but for a second that passes before each key and click.
    """

    def __init__(
        self,
        display: Display,
        reader: CardSource,
        new_broker: Callable[[], Broker],
        mode: Mode = Mode.NORMAL,
        **look: Any,
    ) -> None:
        self.display = display
        self.now = 0.0
        self.bridge = Bridge()
        self.conductor = Conductor(reader, new_broker, self.bridge, Digest.SHA256, mode=mode)
        look = {"kiosk": False, "clock": lambda: self.now} | look
        self.window = agent.Window(self.conductor, self.bridge, **look)
        if not look["kiosk"]:
            demo.Story(self.window)
        self.root = self.window.root
        self.conductor.start()
        self.sees(State.WAITING, State.NO_READER)
        self.waits(self.root.winfo_viewable)

    @property
    def session(self) -> agent.Session:
        return self.conductor.signed_in().session

    def waits(self, condition: Callable[[], object]) -> None:
        """Let Tk work until the condition holds."""

        def holds() -> bool:
            self.root.update()
            return bool(condition())

        wait_until(holds, what=f"the condition, but {self.conductor.state} {self.conductor.problem!r}")

    def sees(self, *states: State) -> None:
        self.waits(lambda: self.conductor.state in states)

    def presses(self, *keys: str, after: float = 1) -> None:
        """Press these keys when so many seconds have passed."""
        self.now += after
        self.display.key(*keys)
        self.root.update()

    def types(self, text: str) -> None:
        self.display.type(text)
        self.root.update()

    def signs_in(self, passcode: str = "123456") -> None:
        """Wait until the card is read, type the passcode and press Enter."""
        self.sees(State.PASSCODE, State.LAST_TRY)
        self.types(passcode)
        self.presses("Return")

    def clicks(self, text: str, after: float = 1) -> None:
        """Press the button with this text, where the mouse finds it, when so many seconds have passed."""
        self.now += after
        (button,) = (each for each in self.buttons() if text_of(each) == text)
        x, y = button.winfo_rootx() + button.winfo_width() // 2, button.winfo_rooty() + button.winfo_height() // 2
        self.display.click(x, y)
        self.root.update()

    def buttons(self) -> list[Any]:
        return [widget for widget in self.widgets() if widget.winfo_class() == "TButton"]

    def catches_up(self) -> None:
        """Wait until the window has had every key and click so far."""
        caught: list[object] = []
        self.root.bind_all("<F12>", caught.append)
        self.display.key("F12")
        self.waits(lambda: caught)

    def widgets(self) -> list[Any]:
        """Every widget that can be seen, from the outside in."""
        self.root.update()
        bars = [each for each in self.root.winfo_children() if each.winfo_class() == "Toplevel"]
        found, rest = [], bars if not self.root.winfo_viewable() else [self.root]
        while rest:
            widget = rest.pop()
            if widget.winfo_viewable():
                found.append(widget)
                rest += widget.winfo_children()
        return found

    def text(self) -> str:
        """All that can be read in the window, the side panel included."""
        return "\n".join(filter(None, map(text_of, self.widgets())))

    def passcode_field(self) -> Any:
        (field,) = self.widgets_called("passcode")
        return field

    def widgets_called(self, name: str) -> list[Any]:
        """Those of the Tk name that can be seen."""
        return [widget for widget in self.widgets() if widget.winfo_name() == name]

    def picture(self, name: str) -> None:
        """Keep a picture of the screen under build/pictures/."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.root.update()
        self.display.screenshot(PICTURES / f"{name}.png")

    def close(self) -> None:
        self.conductor.close()
        self.window.close()
        self.bridge.close()
        agent.LISTENERS.clear()


def text_of(widget: Any) -> str:
    """What a widget says, as far as Tk knows."""
    kind = widget.winfo_class()
    if kind == "Text":
        return str(widget.get("1.0", "end"))
    if kind == "Entry":
        return str(widget.get())
    if kind == "Treeview":
        return "\n".join(str(widget.item(item, "text")) for item in widget.get_children())
    return str(widget.cget("text")) if kind in ("TLabel", "TButton") else ""


@pytest.fixture
def screen(display: Display, monkeypatch: pytest.MonkeyPatch) -> Display:
    """A virtual screen that Tk in this process uses."""
    need("tkinter")
    monkeypatch.setitem(os.environ, "DISPLAY", display.name)
    display.point(512, 384)  # within the window, wherever the test before has clicked on a larger screen
    return display


@pytest.fixture
def window(screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot) -> Iterator[WindowOnScreen]:
    """The agent's window, waiting for a card from `slot`."""
    window = WindowOnScreen(screen, reader, lambda: Broker(spine.url, spine.ca_file))
    yield window
    window.close()
