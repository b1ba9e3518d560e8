"""`agent.py doctor` on a PC with one thing made wrong after another: each has its own name and cure."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support import winscard
from support.kiosk_pc import READER, SharedPC
from support.lying_broker import Authority, authority, http, tls_1_1

import agent
from agent import PcscResult
from kiosk.doctor.findings import Trouble

Make = Callable[[SharedPC], object]


def results(**wrong: int) -> Make:
    return lambda pc: pc.service.results.update(wrong)


def stopped(pc: SharedPC) -> None:
    pc.service.results["SCardEstablishContext"] = PcscResult.NO_SERVICE


def not_installed(pc: SharedPC) -> None:
    stopped(pc)
    (pc.root / "usr/sbin/pcscd").unlink()


def masked(pc: SharedPC) -> None:
    stopped(pc)
    pc.write("/etc/systemd/system/pcscd.socket", "").unlink()
    (pc.root / "etc/systemd/system/pcscd.socket").symlink_to("/dev/null")


def dead(pc: SharedPC) -> None:
    """Nobody listens at a socket that is there still."""
    stopped(pc)
    path = pc.write("/run/pcscd/pcscd.comm", "")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    pc.environment.pop("PCSCLITE_CSOCK_NAME", None)


def no_library(pc: SharedPC) -> None:
    pc.has_library = False


SERVICE: dict[Trouble, Make] = {
    Trouble.NO_LIBRARY: no_library,
    Trouble.SERVICE_NOT_INSTALLED: not_installed,
    Trouble.SERVICE_MASKED: masked,
    Trouble.SERVICE_STOPPED: stopped,
    Trouble.SERVICE_DEAD: dead,
    Trouble.SERVICE_REFUSES: results(SCardEstablishContext=PcscResult.SECURITY_VIOLATION),
}


def no_reader(pc: SharedPC) -> None:
    pc.service.unplug(READER)


def usb_reader(pc: SharedPC) -> None:
    no_reader(pc)
    pc.write("/sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "0b\n")


def usb_reader_without_driver(pc: SharedPC) -> None:
    usb_reader(pc)
    (pc.root / "usr/lib/pcsc/drivers/ifd-ccid.bundle").rename(pc.root / "gone")


def reader_for_tests(pc: SharedPC) -> None:
    pc.service.plug_in(b"Virtual PCD 00 00")


def series_5(pc: SharedPC) -> None:
    """The fixture puts the ATR back."""
    winscard.ATR = bytes.fromhex("3BF91800008131FE454A434F5034315632 32AF")


CARDS: dict[Trouble, Make] = {
    Trouble.NO_READER: no_reader,
    Trouble.READER_NOT_FOUND: lambda pc: pc.set(reader="Gemalto"),
    Trouble.NO_DRIVER: usb_reader_without_driver,
    Trouble.READER_NOT_TAKEN: usb_reader,
    Trouble.TEST_READER: reader_for_tests,
    Trouble.NO_CARD: lambda pc: pc.service.pull(READER),
    Trouble.CARD_NOT_USABLE: lambda pc: pc.insert(select="6A82"),
    Trouble.CARD_OF_OLD_SERIES: series_5,
    Trouble.CARD_MUTE: results(SCardConnect=0x80100066),
    Trouble.CARD_LOCKED: lambda pc: pc.insert(tries="6983"),
    Trouble.LAST_TRY: lambda pc: pc.insert(tries="63C1"),
    Trouble.NO_CERTIFICATE: lambda pc: pc.insert(certificate="6A82"),
    Trouble.CARD_EXPIRED: lambda pc: setattr(pc, "now", pc.now + timedelta(days=365)),
    Trouble.CARD_NOT_YET_VALID: lambda pc: setattr(pc, "now", pc.now - timedelta(days=36500)),
    Trouble.CARD_EXPIRES_SOON: lambda pc: setattr(pc, "now", pc.now + timedelta(days=14)),
    Trouble.CARD_BUSY: results(SCardBeginTransaction=PcscResult.SHARING_VIOLATION),
}


def process(pc: SharedPC, name: str, maps: str = "", cmdline: str = "") -> None:
    pc.write("/proc/4321/comm", f"{name}\n")
    pc.write("/proc/4321/maps", maps)
    pc.write("/proc/4321/cmdline", cmdline)


LIBRARY = "7f00 r-xp 00000000 fe:01 1 /usr/lib/x86_64-linux-gnu/libpcsclite.so.1.0.0\n"
PROGRAMS: dict[Trouble, Make] = {
    Trouble.CARD_TAKEN_BY_GNUPG: lambda pc: process(pc, "scdaemon"),
    Trouble.OTHER_PROGRAMS: lambda pc: process(pc, "firefox-esr", LIBRARY),
}


def serve(make: Callable[[], object]) -> Make:
    """Have the sign-in service show another certificate or none."""

    def change(pc: SharedPC) -> None:
        context = make()
        pc.broker.wrap = functools.partial(context.wrap_socket, server_side=True)  # type: ignore[attr-defined]

    return change


def closed_port(pc: SharedPC) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    pc.set(spine=f"https://127.0.0.1:{port}")


def plain_http(pc: SharedPC) -> None:
    def answer(connection: socket.socket) -> socket.socket:
        connection.recv(4096)
        connection.sendall(http("", "400 Bad Request"))
        connection.close()
        raise OSError("this is no TLS")

    pc.broker.wrap = answer


def clock(seconds: int) -> Make:
    return lambda pc: setattr(pc, "now", pc.now + timedelta(seconds=seconds))


NETWORK: dict[Trouble, Make] = {
    Trouble.NAME_UNKNOWN: lambda pc: pc.set(spine="https://no..such"),
    Trouble.PORT_CLOSED: closed_port,
    Trouble.PROXY_IGNORED: lambda pc: pc.environment.update(https_proxy="http://anna:secret@proxy.example:3128"),
    Trouble.NOT_TLS: plain_http,
    Trouble.TLS_TOO_OLD: serve(lambda: tls_1_1(authority().context())),
    Trouble.TLS_UNKNOWN_CA: serve(lambda: Authority().context()),
    Trouble.TLS_EXPIRED: serve(lambda: authority().context(days=-1)),
    Trouble.TLS_WRONG_NAME: serve(lambda: authority().context("gas.example.nhs.uk")),
    Trouble.BROKER_FAILS: lambda pc: pc.broker.lies.update(authactivate=http("", "503 Service Unavailable")),
    Trouble.CLOCK_OFF: clock(-60),
    Trouble.CLOCK_WRONG: clock(3600),
}


def gdm(pc: SharedPC) -> None:
    pc.write("/usr/sbin/gdm3", "")


KEYS = "[org/gnome/login-screen]\nenable-smartcard-authentication=false\n"


def gdm_without_update(pc: SharedPC) -> None:
    gdm(pc)
    pc.write("/etc/dconf/db/gdm.d/10-lanyard", KEYS)
    pc.write("/etc/dconf/profile/gdm", "user-db:user\nsystem-db:gdm\n")


DESKTOP: dict[Trouble, Make] = {
    Trouble.NO_DISPLAY: lambda pc: pc.environment.pop("DISPLAY", None),
    Trouble.DISPLAY_REFUSES: lambda pc: pc.environment.update(DISPLAY=":4321"),
    Trouble.WAYLAND: lambda pc: pc.environment.update(XDG_SESSION_TYPE="wayland"),
    Trouble.DESKTOP_SIGN_IN: gdm,
    Trouble.DCONF_STALE: gdm_without_update,
}
SAFETY: dict[Trouble, Make] = {
    Trouble.SWAP_READABLE: lambda pc: pc.write("/proc/swaps", "Filename\n/dev/sda3 partition 1 0 -2\n"),
    Trouble.USER_PROCESSES_KILLED: lambda pc: pc.write("/etc/systemd/logind.conf.d/a.conf", "KillUserProcesses=yes\n"),
}
BRIDGE: dict[Trouble, Make] = {
    Trouble.BRIDGE_BROKEN: lambda pc: pc.bridge_says(
        {"subject": "x", "fault": "no-manifest", "says": "a", "cure": "b"}
    ),
    Trouble.BRIDGE_FAILS: lambda pc: pc.write("/bridge.json", "Traceback"),
}
SETTINGS: dict[Trouble, Make] = {
    Trouble.NO_BROKER: lambda pc: pc.set(spine=""),
    Trouble.SETTINGS_BROKEN: lambda pc: pc.set(ca_file=Path("/nowhere/ca.pem")),
}
MADE = {
    "settings": SETTINGS,
    "smartcard service": SERVICE,
    "cards": CARDS,
    "other programs": PROGRAMS,
    "sign-in service": NETWORK,
    "desktop": DESKTOP,
    "safety": SAFETY,
    "bridge": BRIDGE,
}


@pytest.mark.parametrize(
    ("subject", "trouble", "make"),
    [
        pytest.param(subject, trouble, make, id=trouble.name.lower())
        for subject, made in MADE.items()
        for trouble, make in made.items()
    ],
)
def test_each_thing_that_is_wrong_has_its_own_name(
    subject: str, trouble: Trouble, make: Make, shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winscard, "ATR", winscard.ATR)
    monkeypatch.setattr(agent, "CARD_BUSY_SECONDS", 0.3)
    make(shared_pc)
    expected = {trouble} if subject != "desktop" else {trouble, Trouble.NO_DISPLAY}
    troubles = shared_pc.troubles(subject)
    assert trouble in troubles
    assert set(troubles) <= expected


def test_a_proxy_is_named_without_its_password(shared_pc: SharedPC) -> None:
    NETWORK[Trouble.PROXY_IGNORED](shared_pc)
    assert "secret" not in repr(shared_pc.looks("sign-in service"))


def test_the_issuer_of_a_certificate_that_is_not_trusted_is_named(shared_pc: SharedPC) -> None:
    """A firewall that looks into TLS is found by it."""
    NETWORK[Trouble.TLS_UNKNOWN_CA](shared_pc)
    assert "a test's own CA" in shared_pc.looks("sign-in service")[-1].says


def test_every_trouble_has_a_cure_of_its_own() -> None:
    same = {Trouble.CLOCK_OFF, Trouble.CLOCK_WRONG, Trouble.NO_TOKEN_LIBRARY}
    assert len({trouble.cure for trouble in Trouble}) >= len(Trouble) - len(same)
    assert len([trouble for made in MADE.values() for trouble in made]) >= 40
