"""The tests' own pcscd and screen do what the other tests rely on."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from support.machine import need, wait_until
from support.reader import VPCD_NAME, Pcscd, list_readers
from support.screen import Display


def test_a_client_sees_the_two_readers_of_vpcd_and_no_other(pcscd: Pcscd) -> None:
    assert pcscd.readers == [f"{VPCD_NAME} 00 00", f"{VPCD_NAME} 00 01"]


def test_other_programs_meet_the_same_pcscd(pcscd: Pcscd) -> None:
    need("opensc-tool")
    listing = subprocess.run(["opensc-tool", "--list-readers"], capture_output=True, text=True, check=True, timeout=20)
    assert all(name in listing.stdout for name in pcscd.readers)


def test_pyscard_meets_the_same_pcscd(pcscd: Pcscd) -> None:
    need("smartcard")
    from smartcard.System import readers

    assert [str(reader) for reader in readers()] == pcscd.readers


def test_vpcd_takes_a_connection_where_it_says(pcscd: Pcscd) -> None:
    host, port = pcscd.vpcd.split(":")
    with socket.create_connection((host, int(port)), timeout=5):
        pass


def test_without_the_service_there_is_no_reader_and_afterwards_there_is(pcscd: Pcscd) -> None:
    pcscd.stop()
    try:
        assert list_readers() == []
    finally:
        pcscd.start()
    assert len(pcscd.readers) == 2


def test_keys_and_pictures(display: Display, tmp_path: Path) -> None:
    tkinter = pytest.importorskip("tkinter")
    root = tkinter.Tk(screenName=display.name)
    root.geometry("400x200+0+0")
    entry = tkinter.Entry(root, name="entry")
    entry.place(x=10, y=10, width=300, height=40)

    def has(text: str) -> bool:
        root.update()
        return bool(entry.get() == text)

    wait_until(lambda: root.update() or entry.winfo_viewable())
    display.click(50, 30)
    display.type("123456")
    wait_until(lambda: has("123456"))
    display.key("BackSpace")
    wait_until(lambda: has("12345"))
    display.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")
    root.destroy()
