"""The session modes by hand: real keys, pcscd, the virtual card and the broker, with each kind of desktop.

What each does is the table of docs/modes.md.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import subprocess
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
import Xlib.display
from support.agent import Slot
from support.kiosk import kiosk_slot  # noqa: F401  a fixture
from support.machine import TIED_TO_THE_RUN, need, stop, wait_until
from support.reader import Pcscd
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

from agent import Broker, Mode, PcscReader, State

Start = Callable[[Mode], WindowOnScreen]
DESKTOPS = {  # size of the screen, whether openbox runs there, whether the window is a kiosk's
    "without a window manager": ("1024x768", False, False),
    "with openbox": ("1280x800", True, False),
    "kiosk without a window manager": ("1024x768", False, True),
    "kiosk with openbox": ("1280x800", True, True),
}


@contextlib.contextmanager
def openbox(display: Display) -> Iterator[None]:
    need("openbox", "setpriv")
    manager = subprocess.Popen([*TIED_TO_THE_RUN, "openbox"], env=display.environment, stderr=subprocess.DEVNULL)
    screen = Xlib.display.Display(display.name)
    check = screen.intern_atom("_NET_SUPPORTING_WM_CHECK")
    try:
        wait_until(lambda: screen.screen().root.get_full_property(check, 0), what="openbox")
        yield
    finally:
        screen.close()
        stop(manager)


@pytest.fixture(scope="module")
def managed(displays: Callable[[str], Display]) -> Iterator[Callable[[str], Display]]:
    """Virtual screens by their size, where one openbox runs until the end of the file."""
    with contextlib.ExitStack() as stack:

        def with_openbox(size: str) -> Display:
            stack.enter_context(openbox(displays(size)))
            return displays(size)

        yield functools.cache(with_openbox)


@pytest.fixture(params=DESKTOPS)
def start(
    request: pytest.FixtureRequest,
    displays: Callable[[str], Display],
    managed: Callable[[str], Display],
    monkeypatch: pytest.MonkeyPatch,
    spine: Spine,
    kiosk_slot: Slot,  # noqa: F811
    pcscd: Pcscd,
) -> Iterator[Start]:
    need("tkinter", "xdotool")
    size, is_managed, kiosk = DESKTOPS[request.param]
    display = managed(size) if is_managed else displays(size)
    monkeypatch.setenv("DISPLAY", display.name)

    def new_broker() -> Broker:
        return Broker(spine.url, spine.ca_file)

    with contextlib.ExitStack() as stack:

        def start(mode: Mode) -> WindowOnScreen:
            window = WindowOnScreen(display, PcscReader("Virtual PCD"), new_broker, mode, kiosk=kiosk)
            stack.callback(window.close)
            return window

        yield start


def signs_in(window: WindowOnScreen, slot: Slot, card: str) -> str:
    """Put a card in, type its passcode; return the ticket."""
    slot.insert(card)
    types_passcode(window)
    return window.session.ticket


def types_passcode(window: WindowOnScreen) -> None:
    """Once the window has the keyboard, which a window manager may hold for a moment."""
    window.sees(State.PASSCODE)
    window.waits(lambda: window.window.cover is None or window.conductor.has_keyboard)
    window.signs_in()
    window.sees(State.SIGNED_IN)


def pulls(window: WindowOnScreen, slot: Slot, state: State) -> None:
    slot.pull()
    window.waits(lambda: window.conductor.state is state and not window.conductor.cards)


def ended(spine: Spine, ticket: str) -> None:
    wait_until(functools.partial(spine.is_over, ticket), what="the end at the broker")


def down(broker: Broker, seconds: float) -> NoReturn:
    raise OSError(errno.ENETUNREACH, "Network is unreachable")


def test_session_lock_persistence(
    start: Start,
    kiosk_slot: Slot,  # noqa: F811
    spine: Spine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = start(Mode.SESSION_LOCK_PERSISTENCE)
    first = signs_in(window, kiosk_slot, "one-role")
    name = window.session.cn
    pulls(window, kiosk_slot, State.LOCKED)
    assert name in window.text()
    second = signs_in(window, kiosk_slot, "no-role")
    assert name not in window.text()
    pulls(window, kiosk_slot, State.LOCKED)
    with monkeypatch.context() as network:
        network.setattr(Broker, "_connect", down)
        assert signs_in(window, kiosk_slot, "one-role") == first
    assert not spine.is_over(first)
    assert not spine.is_over(second)
    pulls(window, kiosk_slot, State.LOCKED)
    window.conductor.close()
    ended(spine, first)
    ended(spine, second)


@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.ENHANCED_NORMAL])
def test_a_session_that_ends_with_its_card(mode: Mode, start: Start, kiosk_slot: Slot, spine: Spine) -> None:  # noqa: F811
    window = start(mode)
    ticket = signs_in(window, kiosk_slot, "one-role")
    window.clicks("Lock")
    window.sees(State.PASSCODE)
    window.waits(lambda: "Your session is locked" in window.text())
    types_passcode(window)
    assert window.session.ticket == ticket
    pulls(window, kiosk_slot, State.WAITING)
    ended(spine, ticket)


def test_mobility(start: Start, kiosk_slot: Slot, spine: Spine) -> None:  # noqa: F811
    window = start(Mode.MOBILITY)
    ticket = signs_in(window, kiosk_slot, "one-role")
    pulls(window, kiosk_slot, State.SIGNED_IN)
    kiosk_slot.insert("one-role")
    attempt = window.conductor.attempt
    window.waits(lambda: attempt and attempt.card in window.conductor.cards)
    assert window.session.ticket == ticket
    window.clicks("Lock")
    window.sees(State.PASSCODE)
    pulls(window, kiosk_slot, State.LOCKED)
    assert signs_in(window, kiosk_slot, "one-role") == ticket
