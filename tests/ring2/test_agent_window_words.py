"""What the screens say: whose card, how many roles, what is so and what helps; odd people, odd roles, two cards."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.agent import Slot
from support.emulator import tries_left_on_disk
from support.screen import Display
from support.spine import Spine
from support.window import WindowOnScreen

import agent
from agent import AgentError, Broker, CardIn, Contacts, Failed, Fault, State
from demo import EmbeddedReader


@pytest.mark.parametrize(("card", "uid"), [("locked", "555000000008"), ("expired", "555000000006")])
def test_a_card_that_nothing_helps_here_is_named_and_offers_nothing_to_press(
    card: str, uid: str, window: WindowOnScreen, slot: Slot
) -> None:
    slot.insert(card)
    window.sees(State.PROBLEM)
    window.picture(card)
    assert f"read this out: Card of {uid}" in window.text()
    assert "Try again" not in window.text()


def test_a_revoked_card_is_named(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("revoked")
    window.signs_in()
    window.sees(State.PROBLEM)
    assert "read this out: Card of 555000000007" in window.text()


@pytest.mark.parametrize("why", [AgentError(Fault.TIME_UP), AgentError(Fault.IDLE_TOO_LONG)], ids=["all", "idle"])
@pytest.mark.parametrize("card", ["one-role", "three-roles"])
def test_when_the_time_is_up_one_signs_in_again(card: str, why: AgentError, window: WindowOnScreen, slot: Slot) -> None:
    slot.insert(card)
    window.signs_in()
    window.sees(State.SIGNED_IN, State.CHOOSING_ROLE)
    window.conductor.handle(Failed(why))
    window.waits(lambda: window.conductor.log_out_confirmed)
    assert why.says in window.text()
    window.clicks("Sign in again")
    window.sees(State.PASSCODE)


@pytest.mark.parametrize("typed", ["1", "123"])
def test_what_is_too_short_for_a_passcode_spends_no_try(
    typed: str, window: WindowOnScreen, slot: Slot, data: Path
) -> None:
    slot.insert("one-role")
    window.signs_in(typed)
    window.waits(lambda: "A passcode has 4 to 8 digits" in window.text())
    assert tries_left_on_disk(data / "cards" / "one-role") == 3
    window.signs_in()
    window.sees(State.SIGNED_IN)


def test_a_log_out_that_the_broker_does_not_confirm_is_not_called_done(
    window: WindowOnScreen, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broker, "log_out", Mock(side_effect=AgentError(Fault.BROKER_TIMEOUT)))
    slot.insert("one-role")
    window.signs_in()
    window.sees(State.SIGNED_IN)
    window.clicks("Log out")
    window.waits(lambda: "did not confirm" in window.text())
    window.picture("log-out-unconfirmed")
    assert "on this PC only" in window.text()
    slot.pull()
    window.sees(State.WAITING)
    assert "The last log-out was not confirmed" in window.text()


def test_the_roles_are_counted_searched_and_reached_by_tab(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("forty-roles")
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)
    assert "Carys Llewellyn: 40 roles" in window.text()
    window.types("pharmac")
    window.waits(lambda: "Carys Llewellyn: 10 of 40 roles" in window.text())
    window.types(" x")
    window.waits(lambda: "Nothing found" in window.text())
    window.picture("no-role-found")
    window.presses("BackSpace", "BackSpace", "Tab", "Down", "Tab")
    window.waits(lambda: window.root.focus_get().winfo_class() == "TButton")
    window.presses("Return")
    window.sees(State.SIGNED_IN)
    assert "LAN108" in window.text()


def test_letters_typed_on_the_list_of_roles_are_searched_for(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("forty-roles")
    window.signs_in()
    window.sees(State.CHOOSING_ROLE)
    window.presses("Tab")
    window.waits(lambda: window.root.focus_get().winfo_class() == "Treeview")
    window.types("pharmac")
    window.waits(lambda: "Carys Llewellyn: 10 of 40 roles" in window.text())


LONG = "Extraordinarily Long Name " * 8  # about as long as a reply may make it


class StrangeBroker(Broker):
    """A broker that knows everybody by a long name, with two roles of one id."""

    def validate(self, *arguments: object) -> agent.Session:
        session = super().validate(*arguments)  # type: ignore[arg-type]
        role = dataclasses.replace(session.roles[0], org_name=LONG + "a", name="X" * 200)
        return dataclasses.replace(session, cn=LONG, roles=(role, dataclasses.replace(role, org_code="SECOND")))


def test_long_names_and_two_roles_of_one_id_leave_the_window_whole(
    screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot
) -> None:
    window = WindowOnScreen(screen, reader, lambda: StrangeBroker(spine.url, spine.ca_file))
    try:
        slot.insert("one-role")
        window.signs_in()
        window.sees(State.CHOOSING_ROLE)
        window.picture("long-names")
        window.presses("Down", "Down")
        window.clicks("Use this role")
        window.sees(State.SIGNED_IN)
        assert window.conductor.signed_in().role == window.conductor.signed_in().session.roles[1]
        window.picture("long-name")
        window.clicks("Log out")
        window.sees(State.SIGNED_OUT)
    finally:
        window.close()


@pytest.mark.logs_errors
@pytest.mark.parametrize("where", ["a call", "Tk"])
def test_an_unexpected_error_is_said_and_the_window_lives(where: str, window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    if where == "Tk":
        window.root.after(0, lambda: 1 / 0)
    else:
        window.bridge.call(lambda: 1 / 0)
    window.waits(lambda: "Something unexpected happened" in window.text())
    slot.pull()
    window.sees(State.WAITING)


def test_what_was_typed_is_forgotten_when_another_card_is_read_instead(window: WindowOnScreen, slot: Slot) -> None:
    slot.insert("one-role")
    window.sees(State.PASSCODE)
    window.types("123456")
    window.waits(window.passcode_field().get)
    assert window.conductor.attempt
    window.conductor.attempt.card = CardIn("another reader", b"")
    window.conductor.on_cards()
    assert not window.passcode_field().get()


HELP = Contacts("0100 555 000", "https://renew.example")


@pytest.mark.parametrize(
    ("card", "state", "where"),
    [
        ("expired", State.PROBLEM, ("Renew it at https://renew.example.", "Service desk: 0100 555 000.")),
        ("locked", State.PROBLEM, ("Service desk: 0100 555 000.",)),
        ("expiring", State.PASSCODE, ("Renew it at https://renew.example.",)),
    ],
)
def test_who_is_sent_somewhere_is_told_where_that_is(
    card: str, state: State, where: tuple[str, ...], screen: Display, spine: Spine, reader: EmbeddedReader, slot: Slot
) -> None:
    window = WindowOnScreen(screen, reader, lambda: Broker(spine.url, spine.ca_file), contacts=HELP)
    with contextlib.closing(window):
        slot.insert(card)
        window.sees(state)
        for each in where:
            window.waits(lambda each=each: each in window.text())
