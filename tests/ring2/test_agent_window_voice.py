"""What the window tells a screen reader, and what a screen reader may do; the way to it, D-Bus, is in ring 3."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from support.agent import Slot
from support.agent_screens import VISITS, Visit, choosing_role, confirming, passcode, signed_in, wrong_passcode
from support.machine import need
from support.scenes import Stage
from support.screen import Display
from support.window import WindowOnScreen, text_of

import agent
from agent import State


class Listener:
    """In accesskit's place: somebody who listens, or does not yet."""

    last: ClassVar[Listener]

    def __init__(self, begins: Callable[[], object], acts: Callable[[Any], object], ends: Callable[[], object]) -> None:
        self.begins, self.acts, self.ends = begins, acts, ends
        self.told: list[Any] = []
        Listener.last = self

    def update_if_active(self, update: Callable[[], Any]) -> None:
        self.told.append(update())

    def update_window_focus_state(self, is_focused: bool) -> None: ...

    def nodes(self) -> dict[int, Any]:
        return dict(self.told[-1].nodes) if self.told else {}

    def find(self, label: str) -> tuple[int, Any] | None:
        return next(((number, node) for number, node in self.nodes().items() if node.label == label), None)

    def does(self, action: str, number: int) -> None:
        self.acts(SimpleNamespace(action=getattr(agent.accesskit.Action, action), target=number))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> type[Listener]:
    need("accesskit")
    monkeypatch.setattr(agent.accesskit.unix, "Adapter", Listener)
    return Listener


@pytest.fixture
def heard(listener: type[Listener], window: WindowOnScreen) -> Listener:
    """Somebody listens to the window."""
    listener.last.begins()
    window.waits(lambda: listener.last.told)
    return listener.last


def finds(window: WindowOnScreen, heard: Listener, label: str) -> tuple[int, Any]:
    window.waits(lambda: heard.find(label))
    found = heard.find(label)
    assert found
    return found


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_everything_that_can_be_seen_is_told(heard: Listener, window: WindowOnScreen, slot: Slot, visit: Visit) -> None:
    visit(window, slot)
    seen = {text_of(each) for each in window.widgets() if each.winfo_class() in ("TLabel", "TButton")} - {""}
    seen = {agent._("Delete") if text == agent.DELETE else text for text in seen}
    window.waits(lambda: seen <= {node.label for node in heard.nodes().values()})
    assert heard.told[-1].focus in heard.nodes()


def test_nothing_is_looked_at_while_nobody_listens(
    listener: type[Listener], window: WindowOnScreen, slot: Slot
) -> None:
    passcode(window, slot)
    window.types("12")
    window.waits(lambda: len(window.passcode_field().get()) == 2)
    assert not listener.last.told
    window.waits(lambda: not window.root.tk.call("after", "info"))


def test_who_stops_to_listen_is_told_nothing_more(heard: Listener, window: WindowOnScreen, slot: Slot) -> None:
    ending = threading.Thread(target=heard.ends)
    ending.start()
    window.waits(lambda: not ending.is_alive())
    before = len(heard.told)
    passcode(window, slot)
    window.catches_up()
    assert len(heard.told) == before


def test_of_a_passcode_no_more_than_its_length_is_told(heard: Listener, window: WindowOnScreen, slot: Slot) -> None:
    passcode(window, slot)
    window.types("194607")
    number, field = finds(window, heard, "Passcode")
    window.waits(lambda: agent.DOT * 6 in [node.value for node in heard.nodes().values()])
    assert field.role == agent.accesskit.Role.PASSWORD_INPUT
    assert heard.told[-1].focus == number
    told = [text or "" for update in heard.told for _, node in update.nodes for text in (node.label, node.value)]
    assert not [text for text in told if "1946" in text]


def test_a_wrong_passcode_is_announced_at_once_with_the_tries_left(
    heard: Listener, window: WindowOnScreen, slot: Slot
) -> None:
    wrong_passcode(window, slot)
    says = "That passcode is not right. 2 tries left. Check your passcode and type it again."
    assert finds(window, heard, says)[1].live == agent.accesskit.Live.ASSERTIVE
    assert finds(window, heard, "Passcode")[1].description == says


def test_a_role_is_chosen_and_used(heard: Listener, window: WindowOnScreen, slot: Slot) -> None:
    choosing_role(window, slot)
    name = "; ".join(str(window.window.screen.list.item("1", "text")).splitlines()).replace("; ", ", ")
    number, row = finds(window, heard, name)
    assert (row.role, row.is_selected) == (agent.accesskit.Role.LIST_BOX_OPTION, False)
    heard.does("CLICK", number)
    window.waits(lambda: heard.nodes()[number].is_selected)
    assert heard.told[-1].focus == number
    window.now += 1
    heard.does("CLICK", finds(window, heard, "Use this role")[0])
    window.sees(State.SIGNED_IN)
    assert window.conductor.signed_in().role == window.session.roles[1]


@pytest.mark.parametrize(("after", "state"), [(0.0, State.CONFIRMING), (0.39, State.CONFIRMING), (0.4, State.LAST_TRY)])
def test_what_a_screen_reader_presses_too_soon_is_ignored(
    after: float, state: State, heard: Listener, window: WindowOnScreen, slot: Slot
) -> None:
    confirming(window, slot)
    number, _ = finds(window, heard, "No, let me type it again")
    window.now += after
    heard.does("CLICK", number)
    seen = len(heard.told)
    window.waits(lambda: len(heard.told) > seen)
    assert window.conductor.state is state


def test_a_button_that_has_gone_does_nothing(heard: Listener, window: WindowOnScreen, slot: Slot) -> None:
    signed_in(window, slot)
    number, _ = finds(window, heard, "Log out")
    slot.pull()
    window.sees(State.WAITING)
    finds(window, heard, "Put your card into the reader")
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    window.now += 1
    finds(window, heard, "You are signed in")
    for action in ("CLICK", "FOCUS", "SCROLL_DOWN"):
        heard.does(action, number)
        heard.does(action, 0)
    window.catches_up()
    assert window.conductor.state is State.SIGNED_IN


def test_the_time_is_announced_when_little_is_left(heard: Listener, window: WindowOnScreen, slot: Slot) -> None:
    live = agent.accesskit.Live
    signed_in(window, slot)
    assert finds(window, heard, "Time left: 10 hours")[1].live != live.ASSERTIVE
    ends, _ = window.conductor.signed_in().limit()
    window.conductor.clock = lambda: ends - 240
    window.window._state_changed(State.SIGNED_IN)
    assert finds(window, heard, "Time left: 4 minutes")[1].live == live.ASSERTIVE


AS_IN_TK_9_1 = """
    namespace eval ::tk::accessible {proc check_screenreader {} {return 1}}
    proc ::tk::accessible args {lappend ::told $args}
    set known [namespace ensemble configure tk -map]
    namespace ensemble configure tk -map [dict merge $known {accessible ::tk::accessible}]
    set ::told {}
"""


def test_where_tk_has_a_voice_of_its_own_it_is_given_the_names_of_the_fields(
    screen: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys typed into the passcode's field are nothing that it hears: its bindings are those of the class Entry."""

    class Tk(agent.tk.Tk):
        def __init__(self, **options: str) -> None:
            super().__init__(**options)  # type: ignore[arg-type]
            self.tk.eval(AS_IN_TK_9_1)

    monkeypatch.setattr(agent.tk, "Tk", Tk)
    stage = Stage()
    stage.shows("passcode")
    entry = stage.window.screen.first
    told = [stage.root.tk.splitlist(each) for each in stage.root.tk.splitlist(stage.root.tk.eval("set ::told"))]
    assert told == [
        ("set_acc_role", str(entry), "Entry"),
        ("set_acc_name", str(entry), "Passcode"),
        ("add_acc_object", str(entry)),
    ]
    assert "Entry" not in entry.bindtags()
    assert stage.window._voice is None
    stage.close()


@pytest.mark.logs_errors
def test_the_window_goes_on_without_a_voice_when_accesskit_panics(
    heard: Listener, window: WindowOnScreen, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(update: object) -> None:
        raise BaseException("as Rust's panics come")

    monkeypatch.setattr(heard, "update_if_active", panic)
    signed_in(window, slot)
    assert "You are signed in" in window.text()
