"""Session mode Enhanced Normal beside logind, by python-dbusmock's logind on a bus of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jeepney import DBusAddress, MessageType, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from support.kept import Kept, Start
from support.machine import need, stop, unavailable, wait_until

from agent import Mode, State

LOGIND = "org.freedesktop.login1"
PYTHON = "/usr/bin/python3"  # Debian's python3-dbusmock is for this one


class Logind:
    """A logind with one session, which is called 7."""

    def __init__(self, bus: DBusConnection) -> None:
        self._bus = bus
        wait_until(
            lambda: self._session(
                "Introspect", interface="org.freedesktop.DBus.Introspectable", path="/org/freedesktop/login1"
            ),
            what="logind",
        )
        mock = "org.freedesktop.DBus.Mock"
        added = self._session(
            "AddSession", "ssusb", ("7", "seat0", os.getuid(), "ward", True), mock, "/org/freedesktop/login1"
        )
        assert added

    def _session(
        self,
        method: str,
        signature: str | None = None,
        body: tuple[object, ...] = (),
        interface: str = f"{LOGIND}.Session",
        path: str = "/org/freedesktop/login1/session/7",
    ) -> bool:
        address = DBusAddress(path, LOGIND, interface)
        reply = self._bus.send_and_get_reply(new_method_call(address, method, signature, body), timeout=10)
        return bool(reply.header.message_type is MessageType.method_return)

    def says_locked(self, is_locked: bool) -> None:
        """What GNOME and KDE tell it once their lock screen is up, or down again."""
        assert self._session("SetLockedHint", "b", (is_locked,))

    def asks_to_lock(self) -> None:
        """`loginctl lock-session`: a signal, which nobody need heed."""
        assert self._session("Lock")


@pytest.fixture
def logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logind]:
    need("dbus-daemon")
    if subprocess.run([PYTHON, "-c", "import dbusmock"], capture_output=True).returncode:
        unavailable("needs python3-dbusmock")
    address = f"unix:path={tmp_path}/bus"
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", f"--address={address}"], stderr=subprocess.DEVNULL
    )
    wait_until((tmp_path / "bus").exists, what="the bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    mock = subprocess.Popen([PYTHON, "-m", "dbusmock", "--system", "--template", "logind"], stdout=subprocess.DEVNULL)
    try:
        with open_dbus_connection("SYSTEM") as bus:
            yield Logind(bus)
    finally:
        stop(mock)
        stop(daemon)


@pytest.fixture
def person(logind: Logind, start: Start, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setenv("XDG_SESSION_ID", "7")
    return start(Mode.ENHANCED_NORMAL)


def test_a_locked_desktop_wants_the_passcode_again(person: Kept, logind: Logind) -> None:
    ticket = person.signs_in()
    logind.says_locked(True)
    person.sees(State.PASSCODE)
    logind.says_locked(False)
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.session.ticket == ticket
    logind.says_locked(True)
    person.sees(State.PASSCODE)
    assert person.told() == ["signed_in", "locked desktop_locked", "resumed", "locked desktop_locked"]
    person.pulls(State.WAITING)
    person.ended(ticket)


def test_the_request_to_lock_proves_nothing(person: Kept, logind: Logind) -> None:
    person.signs_in()
    logind.asks_to_lock()
    logind.says_locked(False)
    logind.says_locked(True)
    person.sees(State.PASSCODE)
    assert person.told() == ["signed_in", "locked desktop_locked"]
