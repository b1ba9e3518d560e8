"""Ctrl-C and a service stop interrupt the agent between two things, never in the middle of one."""

from __future__ import annotations

import os
import signal
import socket
import tkinter as tk
from collections.abc import Iterator

import pytest
from support.scenes import Stage
from support.screen import Display
from support.window import WindowOnScreen

from agent import Bridge

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def as_in_main() -> Iterator[None]:
    """Have both signals raise KeyboardInterrupt at first, as main() has them."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge()
    yield bridge
    bridge.close()


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_going_on_is_done_first(number: signal.Signals, bridge: Bridge) -> None:
    """An interrupted Thread.start() raised RuntimeError, so that the agent ended with 1 in place of 130."""
    bridge.interrupt_on_signals()
    done = []
    bridge.call(lambda: (signal.raise_signal(number), done.append("this")))
    bridge.call(lambda: done.append("what came before the signal"))
    with pytest.raises(KeyboardInterrupt):
        bridge.wait(5)
    assert done == ["this", "what came before the signal"]


def test_a_signal_that_is_ignored_stays_so(bridge: Bridge) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bridge.interrupt_on_signals()
    signal.raise_signal(signal.SIGINT)
    assert not bridge.wait(0)


@pytest.mark.parametrize("number", SIGNALS)
def test_it_ends_the_window(number: signal.Signals, window: WindowOnScreen) -> None:
    window.bridge.interrupt_on_signals()
    window.root.after(0, lambda: signal.raise_signal(number))
    with pytest.raises(KeyboardInterrupt):
        window.root.mainloop()


def test_a_window_that_is_closed_is_not_called_for_what_has_its_number_next(screen: Display) -> None:
    """What went wrong there came out of the next window's main loop: Tcl has file handlers for the whole thread."""
    reading, writing = socket.socketpair()
    stage = Stage()
    number = stage.bridge.fileno()
    stage.close()
    called: list[bytes] = []
    stage.bridge.run_pending = lambda: called.append(reading.recv(4))  # type: ignore[method-assign]
    os.dup2(reading.fileno(), number)
    writing.send(b"news")
    root = tk.Tk()
    root.update()
    root.destroy()
    os.close(number)
    reading.close()
    writing.close()
    assert not called
