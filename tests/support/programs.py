"""Other people's programs and the card they meet: one emulator for the whole run, in the first reader of pcscd."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.service.control import request
from support.emulator import EmulatorProgram, make_card
from support.emulator_links import PcscClient
from support.machine import need, unavailable, wait_until
from support.reader import Pcscd

SHARED_CARD = "one-role"
LIBRARY_FOLDERS = (Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu*"))


def npm_environment() -> dict[str, str]:
    """An environment for npm, to which the certificates that the system or pip trusts will do."""
    return {**os.environ, "NODE_USE_SYSTEM_CA": "1", "NODE_EXTRA_CA_CERTS": os.environ.get("PIP_CERT", "")}


def run(*command: str, code: int | None = 0, stdin: str = "", environment: dict[str, str] | None = None) -> str:
    """Run a program to its end, expect its exit code (None: any), return all that it said.

    It has no terminal: NSS's tools would ask for a passcode there.
    """
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        start_new_session=True,
    )
    assert code in (None, done.returncode), f"{command[0]} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def library(name: str) -> str:
    """Return the path of a shared library; skip the test where it is not installed."""
    for folder in LIBRARY_FOLDERS:
        if (folder / name).exists():
            return str(folder / name)
    unavailable(f"not on this machine: {name}")


class CardDesk:
    """Puts cards into pcscd's first reader and pulls them, and waits until PC/SC programs see it."""

    def __init__(self, program: EmulatorProgram) -> None:
        self.data = program.data
        self.log = program.log
        self._in: Path | None = None
        self._made = 0

    def card(self, name: str, prepare: Callable[[Path], None] = lambda folder: None) -> Path:
        """Return the folder of the card with this name, which is in.

        It is made at first use, as make_card() does; `prepare` may then change the folder.
        """
        folder = self.data / "cards" / name
        if not folder.exists():
            prepare(make_card(folder))
        self.put_in(folder)
        return folder

    def new_card(self, prepare: Callable[[Path], None] = lambda folder: None) -> Path:
        """Return the folder of a new card, which is in, for a test that changes it."""
        self._made += 1
        return self.card(f"card-{self._made}", prepare)

    def put_in(self, folder: Path) -> None:
        """Put a card in, unless it is in; return when PC/SC programs see it."""
        if self._in == folder:
            return
        self.pull()
        request(self.data, command="insert", card=folder.name)
        wait_until(_card_present, what="a card for PC/SC programs")
        self._in = folder

    def pull(self) -> None:
        """Pull the card that is in; return when PC/SC programs see that."""
        if self._in:
            request(self.data, command="remove")
            wait_until(lambda: not _card_present(), what="an empty reader")
        self._in = None


def _card_present() -> bool:
    client = PcscClient()  # a new one each time: some tests restart pcscd
    try:
        return bool(client.atr())
    finally:
        client.close()


@pytest.fixture(scope="session")
def emulator_for_programs(pcscd: Pcscd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardDesk]:
    """Run the one emulator; between two test modules no card of it is in."""
    need("smartcard", "opensc-tool")
    data = tmp_path_factory.mktemp("cards-for-programs")
    make_card(data / "cards" / SHARED_CARD)
    program = EmulatorProgram(data, pcscd.vpcd)
    assert program.ready() == f"ready {pcscd.vpcd}"
    yield CardDesk(program)
    program.stop()


@pytest.fixture(scope="module")
def card_desk(emulator_for_programs: CardDesk) -> Iterator[CardDesk]:
    """Yield what puts cards into the first reader; the reader is free again after the module."""
    yield emulator_for_programs
    emulator_for_programs.pull()


@pytest.fixture
def card(card_desk: CardDesk) -> Path:
    """Return the folder of the card that is in: the one that all tests share which change nothing on it."""
    return card_desk.card(SHARED_CARD)


@pytest.fixture
def own_card(card_desk: CardDesk) -> Path:
    """Return the folder of the card that is in: a new one, for a test that changes it."""
    return card_desk.new_card()


@pytest.fixture
def opensc_pkcs11() -> str:
    """Return the path of OpenSC's PKCS#11 library."""
    return library("opensc-pkcs11.so")
