"""A whole shared PC: pcscd, the agent in a kiosk, hooks with programs, real keys, several persons."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.hooks import Hooks, python
from support.kiosk import Kiosk
from support.machine import need, wait_until
from support.screen import own_display
from support.spine import Spine

MODE = ["--kiosk", "--hooks", "--session-lock-persistence", "--log-level", "info"]
# Holds keyboard and pointer of the whole screen, and keeps what is typed.
GRABS_ALL = """
import os
from Xlib import X, display
d = display.Display()
root = d.screen().root
root.change_attributes(event_mask=X.KeyPressMask)
while root.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime):
    pass
open(os.environ["LANYARD_SESSION_DIR"] + "/grabbed", "w").close()
while True:
    if d.next_event().type == X.KeyPress:
        open(os.environ["XDG_RUNTIME_DIR"] + "/seen", "a").write("key ")
"""


class Ward:
    """The agent, and its hooks."""

    def __init__(self, kiosk: Kiosk, hooks: Hooks) -> None:
        self.kiosk, self.hooks = kiosk, hooks

    def signs_in(self, card: str) -> None:
        self.kiosk.slot.insert(card)
        self.types_passcode()
        if self.kiosk.sees("choosing_role", "signed_in") == "choosing_role":
            self.kiosk.chooses_a_role()

    def types_passcode(self) -> None:
        self.kiosk.sees("passcode")
        wait_until(lambda: self.kiosk.status()["has_keyboard"], what="the keyboard")
        self.kiosk.display.type("123456")
        self.kiosk.enters("passcode")

    def pulls(self, state: str) -> None:
        self.kiosk.slot.pull()
        self.kiosk.sees(state)


@pytest.fixture
def ward(kiosk_slot: Slot, spine: Spine, runtime: Path) -> Iterator[Ward]:
    need("Xlib", "tkinter")
    with own_display() as screen, contextlib.ExitStack() as stack:
        hooks = Hooks(runtime)
        hooks.environment = {"DISPLAY": screen.name}
        stack.callback(hooks.close)
        kiosk = Kiosk(screen, kiosk_slot, spine, runtime, *MODE)
        stack.callback(kiosk.close)
        kiosk.sees("no_card")
        yield Ward(kiosk, hooks)


def processes(hooks: Hooks) -> Callable[[], int]:
    return lambda: len(hooks.tree())


def test_nobody_signs_in_before_the_hooks_are_there(ward: Ward) -> None:
    ward.kiosk.slot.insert("one-role")
    ward.types_passcode()
    assert ward.kiosk.sees("working", "signed_in") == "working"
    ward.hooks.launch()
    ward.kiosk.sees("signed_in")


def test_persons_come_and_go_each_with_their_programs(ward: Ward) -> None:
    ward.hooks.configure({"name": "sleeps", "command": ["sleep", "1000"]})
    ward.hooks.launch()
    ward.signs_in("one-role")
    wait_until(processes(ward.hooks), what="a program")
    (first,) = ward.hooks.tree()
    ward.pulls("locked")
    ward.signs_in("three-roles")
    wait_until(lambda: len(ward.hooks.tree()) == 2, what="both persons' programs")
    ward.pulls("locked")
    ward.signs_in("one-role")
    assert first in ward.hooks.tree()


def test_a_program_that_holds_the_keyboard_locks_nobody_out(ward: Ward) -> None:
    ward.hooks.configure({"name": "grabs", "command": python(GRABS_ALL)})
    ward.hooks.launch()
    ward.signs_in("one-role")
    wait_until(lambda: [*ward.hooks.folder.glob("lanyard-kiosk/*/grabbed")], what="a grab")
    ward.pulls("locked")
    ward.kiosk.slot.insert("three-roles")
    ward.types_passcode()
    ward.kiosk.chooses_a_role()
    assert not (ward.hooks.folder / "seen").exists()


def test_programs_end_with_a_killed_agent_and_the_next_one_goes_on(ward: Ward) -> None:
    ward.hooks.configure({"name": "sleeps", "command": ["sleep", "1000"]})
    ward.hooks.launch()
    ward.signs_in("one-role")
    wait_until(processes(ward.hooks), what="a program")
    ward.kiosk.process.send_signal(signal.SIGKILL)
    wait_until(lambda: ward.hooks.tree() == [], what="its end")
    ward.kiosk.starts_again()
    ward.types_passcode()
    ward.kiosk.sees("signed_in")
    wait_until(processes(ward.hooks), what="a program")
