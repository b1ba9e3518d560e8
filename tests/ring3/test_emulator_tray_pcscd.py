"""The tray and the trace while a real program talks to the card, through a real pcscd."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.emulator import PASSCODE, EmulatorProgram
from support.emulator_links import wait_for_an_empty_reader
from support.machine import need, wait_until
from support.programs import run
from support.reader import Pcscd
from support.tray import events

from emulator.service.control import request

SEEN = {
    "Choose the identity application (PIV)",
    "Read the certificate of key 9A, which says whose card this is",
    "Try a passcode",
}
PASSCODE_IN_HEX = PASSCODE.encode().hex(" ").upper()


@pytest.fixture
def emulator(
    card_folder: Path, pcscd: Pcscd, run_emulator: Callable[..., EmulatorProgram]
) -> Iterator[EmulatorProgram]:
    """A card in the first reader of pcscd, and a tray."""
    need("smartcard", "pkcs11-tool")
    program = run_emulator(card_folder.parents[1], pcscd.vpcd, "one-role", "--tray", "0")
    assert program.ready()
    yield program
    program.stop()
    wait_for_an_empty_reader()


def test_it_shows_what_a_real_program_does(emulator: EmulatorProgram) -> None:
    url = wait_until(lambda: request(emulator.data, command="status")["tray"], what="a tray")
    with emulator.start("trace", "--json") as trace:
        wait_until(lambda: "somebody watches" in emulator.log.read_text())
        with events(str(url)) as page:
            assert "PIV AUTH" in run("pkcs11-tool", "--login", "--pin", PASSCODE, "--list-objects")
            request(emulator.data, command="remove")
            said = list(up_to_the_pull(page))
        emulator.stop()
        assert trace.stdout
        lines = trace.stdout.read()
    assert {line["says"] for line in said} >= SEEN
    (tried, *_) = [line for line in said if line["says"] == "Try a passcode"]
    assert (tried["apdu"], tried["meaning"]) == ("00 20 00 80" + " .." * 9, "done")
    assert [json.loads(line) for line in lines.splitlines()] == said[1:]  # the trace began after the card was put in
    for text in (lines, json.dumps(said), emulator.log.read_text()):
        assert PASSCODE not in text
        assert PASSCODE_IN_HEX not in text


def up_to_the_pull(page: Iterator[tuple[str, dict[str, str]]]) -> Iterator[dict[str, str]]:
    for kind, said in page:
        if kind == "said":
            yield said
            if said["says"] == "The card was pulled":
                return
