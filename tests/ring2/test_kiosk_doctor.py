"""`agent.py doctor` on a PC where all is well, and where it is not obvious what is."""

from __future__ import annotations

import errno
import os
import socket
import sys

import pytest
from support.kiosk_pc import SharedPC
from support.machine import need
from support.screen import Display
from support.source import ROOT

import agent
from kiosk.doctor import installation, network
from kiosk.doctor.examine import LOOKS, examine, exit_code
from kiosk.doctor.findings import Trouble, Verdict


def test_a_pc_where_all_is_well(shared_pc: SharedPC, screen: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    need("Xlib")
    monkeypatch.setattr(installation, "ask_agent", lambda *_: {"state": "no_card", "has_keyboard": True})
    shared_pc.environment["DISPLAY"] = screen.name
    shared_pc.set(kiosk=True)
    findings = list(examine(shared_pc.around))
    assert [finding for finding in findings if finding.verdict is not Verdict.GOOD] == []
    assert exit_code(findings) == 0
    said = {finding.subject for finding in findings}
    assert {"settings", "smartcard service", "readers", "name", "port", "TLS", "clock", "sign-in service"} <= said
    assert "VERIFY" not in "".join(map(repr, findings))


def test_no_passcode_try_is_spent(shared_pc: SharedPC) -> None:
    shared_pc.looks("cards")
    verify = [apdu for apdu in shared_pc.service.sent if apdu[1] == agent.Instruction.VERIFY]
    assert verify
    assert all(len(apdu) <= 5 for apdu in verify)  # without a passcode: how many tries are left


def process(pc: SharedPC, name: str, maps: str = "", cmdline: str = "") -> None:
    pc.write("/proc/4321/comm", f"{name}\n")
    pc.write("/proc/4321/maps", maps)
    pc.write("/proc/4321/cmdline", cmdline)


LIBRARY = "7f00 r-xp 00000000 fe:01 1 /usr/lib/x86_64-linux-gnu/libpcsclite.so.1.0.0\n"


@pytest.mark.parametrize("cmdline", ["python3\0/usr/share/lanyard/agent.py\0--kiosk", "python3\0-m\0kiosk\0hooks"])
def test_our_own_programs_are_no_others(shared_pc: SharedPC, cmdline: str) -> None:
    process(shared_pc, "python3", LIBRARY, cmdline)
    assert not shared_pc.troubles("other programs")


KEYS = "[org/gnome/login-screen]\nenable-smartcard-authentication=false\n"


def gdm(pc: SharedPC) -> None:
    pc.write("/usr/sbin/gdm3", "")


@pytest.mark.parametrize(
    ("places", "trouble"),
    [
        (["/etc/gdm3/greeter.dconf-defaults"], None),
        (["/usr/share/gdm/dconf/95-lanyard"], None),
        (["/etc/dconf/db/gdm.d/10-lanyard"], Trouble.DESKTOP_SIGN_IN),  # which no profile names
    ],
)
def test_where_gdm_is_told_to_leave_cards_alone(
    places: list[str], trouble: Trouble | None, shared_pc: SharedPC, screen: Display
) -> None:
    gdm(shared_pc)
    shared_pc.environment["DISPLAY"] = screen.name
    for place in places:
        shared_pc.write(place, KEYS)
    assert shared_pc.troubles("desktop") == ([trouble] if trouble else [])


def test_a_line_that_is_a_comment_tells_gdm_nothing(shared_pc: SharedPC) -> None:
    gdm(shared_pc)
    shared_pc.write("/etc/gdm3/greeter.dconf-defaults", "# enable-smartcard-authentication=false\n")
    assert Trouble.DESKTOP_SIGN_IN in shared_pc.troubles("desktop")


def test_the_files_of_the_kiosk_are_seen_to_count(shared_pc: SharedPC) -> None:
    gdm(shared_pc)
    files = ROOT / "kiosk" / "files" / "dconf"
    shared_pc.write("/etc/dconf/db/gdm.d/10-lanyard", (files / "gdm").read_text())
    shared_pc.write("/etc/dconf/profile/gdm", (files / "gdm-profile").read_text())
    shared_pc.write("/etc/dconf/db/gdm", "made by dconf update")
    assert not {Trouble.DESKTOP_SIGN_IN, Trouble.DCONF_STALE} & set(shared_pc.troubles("desktop"))


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (TimeoutError(errno.ETIMEDOUT, "timed out"), Trouble.PORT_SILENT),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Trouble.NO_ROUTE),
    ],
)
def test_a_port_that_cannot_be_reached(
    error: OSError, trouble: Trouble, shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a firewall that drops nor a missing route can be made on loopback."""
    monkeypatch.setattr(network.socket, "create_connection", lambda *_: (_ for _ in ()).throw(error))
    assert shared_pc.troubles("sign-in service") == [trouble]


def test_no_name_server(shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch) -> None:
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(error))
    assert shared_pc.troubles("sign-in service") == [Trouble.NO_NAME_SERVICE]


def test_a_kiosk_needs_x11_and_xlib(shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Xlib", None)
    shared_pc.set(kiosk=True)
    shared_pc.environment.update(XDG_SESSION_TYPE="wayland")
    assert {Trouble.NO_XLIB, Trouble.WAYLAND_KIOSK} <= set(shared_pc.troubles("desktop"))


@pytest.mark.parametrize(
    ("place", "files"),
    [
        ("/dev/zram0", {}),
        ("/dev/dm-1", {"/sys/class/block/dm-1/dm/uuid": "CRYPT-PLAIN-swap\n"}),
        ("/dev/dm-2", {"/sys/class/block/dm-2/slaves/dm-0/dm/uuid": "CRYPT-LUKS2-1234-root\n"}),
    ],
)
def test_swap_that_nobody_can_read(shared_pc: SharedPC, place: str, files: dict[str, str]) -> None:
    shared_pc.write("/proc/swaps", f"Filename Type\n{place} partition 1 0 -2\n")
    for name, text in files.items():
        shared_pc.write(name, text)
    assert not shared_pc.troubles("safety")


def test_a_guardian_that_ends_with_an_error(shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.Guardian, "COMMAND", "nonsense")
    assert shared_pc.troubles("safety") == [Trouble.GUARDIAN_FAILS]


@pytest.mark.parametrize("folder", ["", "/nowhere/at/all"])
def test_no_folder_of_the_session(shared_pc: SharedPC, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "XDG_RUNTIME_DIR", folder)
    assert shared_pc.troubles("safety") == [Trouble.NO_SESSION_FOLDER]


@pytest.mark.parametrize(
    ("desktop", "troubles"), [("ubuntu:GNOME", []), ("KDE", []), ("sway", [Trouble.DESKTOP_LOCK_UNSEEN])]
)
def test_whether_the_desktop_tells_of_its_lock(
    desktop: str, troubles: list[Trouble], shared_pc: SharedPC, screen: Display
) -> None:
    shared_pc.set(enhanced_normal=True)
    shared_pc.environment.update(XDG_CURRENT_DESKTOP=desktop, DISPLAY=screen.name)
    assert shared_pc.troubles("desktop") == troubles


def test_a_kiosk_whose_agent_or_hooks_do_not_run(shared_pc: SharedPC) -> None:
    shared_pc.set(kiosk=True, hooks=True)
    assert shared_pc.troubles("agent") == [Trouble.AGENT_NOT_RUNNING, Trouble.HOOKS_NOT_RUNNING]
    process(shared_pc, "lanyard-kiosk", cmdline="/usr/bin/python3\0-P\0/usr/bin/lanyard-kiosk\0hooks\0")
    assert shared_pc.troubles("agent") == [Trouble.AGENT_NOT_RUNNING]


@pytest.mark.parametrize(("has_keyboard", "troubles"), [(True, []), (False, [Trouble.KEYBOARD_TAKEN])])
def test_an_agent_that_runs(
    has_keyboard: bool, troubles: list[Trouble], shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"state": "no_card", "cn": "Anna Smith", "has_keyboard": has_keyboard}
    monkeypatch.setattr(installation, "ask_agent", lambda *_: answer)
    assert shared_pc.troubles("agent") == troubles
    assert "Anna" not in repr(shared_pc.looks("agent"))


def test_what_cannot_be_looked_at_hides_nothing_else(shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(LOOKS, "smartcard service", fails)
    findings = {finding.subject: finding for finding in examine(shared_pc.around)}
    assert findings["smartcard service"].trouble is Trouble.CHECK_FAILED
    assert findings["sign-in service"].verdict is Verdict.GOOD
