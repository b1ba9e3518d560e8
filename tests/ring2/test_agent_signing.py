"""`agent.py sign`, `passcode` and `unlock`: a card alone, without a sign-in."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms
from support.agent_program import SitDown, run_agent
from support.emulator import tries_left_on_disk
from support.machine import need

LETTER = b"Dear colleague,\r\nthank you for seeing this patient.\n"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    file = tmp_path / "letter.txt"
    file.write_bytes(LETTER)
    return file


class Desk:
    """The agent with the virtual cards of a DIR in its own reader, one command at a time."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.outcome = data, folder / "outcome"

    def run(self, card: str, *command: str | Path, stdin: str = "123456\n") -> Any:
        """Run a command with that card; what it writes is in `outcome`."""
        with self.outcome.open("w") as outcome:
            options = ["--demo", "--data", str(self.data), "--card", card]
            return run_agent(*options, *command, stdin=stdin, stdout=outcome)


@pytest.fixture
def desk(data: Path, tmp_path: Path) -> Desk:
    return Desk(data, tmp_path)


def openssl(*arguments: str | Path) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def verified(desk: Desk, *more: str | Path) -> bytes:
    """What OpenSSL finds signed, by the broker's CA; -cades holds signing-certificate-v2 against the signer."""
    chain = desk.outcome.with_name("chain.pem")
    chain.write_text("".join((desk.data / name).read_text() for name in ("ca.pem", "ca/issuing.cert.pem")))
    trust = ["-CAfile", chain, "-purpose", "any"]
    return openssl("cms", "-verify", "-cades", "-inform", "der", "-in", desk.outcome, "-binary", *trust, *more)


@pytest.mark.parametrize(("card", "kind"), [("prescriber", "rsassa_pkcs1v15"), ("one-role", "sha256_ecdsa")])
def test_the_message_has_the_file_and_openssl_verifies_it(card: str, kind: str, desk: Desk, letter: Path) -> None:
    need("openssl")
    done = desk.run(card, "sign", letter)
    assert done.returncode == 0, done.stderr
    assert verified(desk) == LETTER
    signer = cms.ContentInfo.load(desk.outcome.read_bytes())["content"]["signer_infos"][0]
    assert signer["signature_algorithm"]["algorithm"].native == kind
    attributes = {each["type"].native for each in signer["signed_attrs"]}
    assert attributes == {"content_type", "message_digest", "signing_time", "signing_certificate_v2"}


def test_a_detached_message_is_verified_with_the_file(desk: Desk, letter: Path) -> None:
    need("openssl")
    assert desk.run("prescriber", "sign", "--detached", letter).returncode == 0
    assert LETTER not in desk.outcome.read_bytes()
    assert verified(desk, "-content", letter) == LETTER
    letter.write_bytes(LETTER.replace(b"this", b"that"))
    with pytest.raises(AssertionError):
        verified(desk, "-content", letter)


def test_what_is_signed_is_said_before_the_passcode_is_asked(desk: Desk, letter: Path) -> None:
    done = desk.run("prescriber", "sign", letter, stdin="")
    assert done.returncode == 130
    assert "You sign as 555000000099" in done.stderr
    assert f"{len(LETTER)} bytes" in done.stderr
    assert desk.outcome.read_bytes() == b""


def test_a_wrong_passcode_signs_nothing(desk: Desk, letter: Path) -> None:
    done = desk.run("prescriber", "sign", letter, stdin="000000\n")
    assert (done.returncode, desk.outcome.read_bytes()) == (5, b"")
    assert "2 tries left" in done.stderr
    assert tries_left_on_disk(desk.data / "cards" / "prescriber") == 2


@pytest.mark.parametrize("command", [("sign", "/etc/hostname"), ("passcode",), ("unlock",)])
def test_without_a_passcode_nothing_is_done(command: tuple[str, ...], desk: Desk) -> None:
    done = desk.run("prescriber", *command, stdin="")
    assert (done.returncode, desk.outcome.read_bytes()) == (130, b"")
    assert "no passcode was given, so nothing was done" in done.stderr


def test_a_locked_card_signs_nothing(desk: Desk, letter: Path) -> None:
    assert desk.run("locked", "sign", letter).returncode == 6


def test_no_such_file(desk: Desk, tmp_path: Path) -> None:
    done = desk.run("prescriber", "sign", tmp_path / "nothing")
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)


def test_a_file_without_an_end(desk: Desk) -> None:
    done = desk.run("prescriber", "sign", "/dev/zero")
    assert (done.returncode, "more than 100 MiB" in done.stderr) == (2, True)


@pytest.mark.parametrize(("command", "known"), [("passcode", "the passcode"), ("unlock", "the unblocking code")])
def test_help_says_what_comes_from_standard_input(command: str, known: str) -> None:
    said = " ".join(run_agent(command, "--help").stdout.split())
    assert f"two lines: {known}, and the new passcode" in said


def test_help_teaches_how_to_verify() -> None:
    said = run_agent("sign", "--help").stdout
    assert "openssl cms -verify" in said


def test_another_passcode(desk: Desk) -> None:
    changed = desk.run("one-role", "passcode", stdin="123456\n246810\n")
    assert (changed.returncode, desk.outcome.read_text()) == (0, "The passcode is changed.\n")
    assert desk.run("one-role", "login", "--json").returncode == 5
    assert desk.run("one-role", "login", "--json", stdin="246810\n").returncode == 0


def test_the_passcode_is_not_changed_by_a_wrong_one_and_the_last_try_is_kept(desk: Desk) -> None:
    card = desk.data / "cards" / "one-role"
    for left in (2, 1):
        refused = desk.run("one-role", "passcode", stdin="000000\n246810\n")
        assert (refused.returncode, tries_left_on_disk(card)) == (5, left)
    kept = desk.run("one-role", "passcode", stdin="123456\n246810\n")
    assert (kept.returncode, tries_left_on_disk(card)) == (5, 1)
    assert kept.stderr.splitlines()[-1].startswith("The passcode was not tried: 1 try is left.")


@pytest.mark.parametrize("new", ["12", "123456789", "letters", "", "1357", "222222", "87654321"])
def test_a_new_passcode_that_is_none_costs_nothing(new: str, desk: Desk) -> None:
    assert desk.run("one-role", "passcode", stdin=f"000000\n{new}\n").returncode == 5
    assert tries_left_on_disk(desk.data / "cards" / "one-role") == 3


def test_a_locked_card_is_unlocked_by_its_unblocking_code(desk: Desk) -> None:
    refused = desk.run("locked", "passcode", stdin="123456\n246810\n")
    assert (refused.returncode, "unlock" in refused.stderr) == (6, True)
    wrong = desk.run("locked", "unlock", stdin="00000000\n246810\n")
    assert (wrong.returncode, "unblocking code is not right. 2 tries left." in wrong.stderr) == (5, True)
    assert desk.run("locked", "unlock", stdin="12345678\n246810\n").returncode == 0
    assert desk.run("locked", "login", "--json", stdin="246810\n").returncode == 0


def test_an_unblocking_code_that_is_locked_too(desk: Desk) -> None:
    for _ in range(3):
        code = desk.run("locked", "unlock", stdin="00000000\n246810\n").returncode
    assert code == 6
    after = desk.run("locked", "unlock", stdin="12345678\n246810\n")
    assert (after.returncode, "unblocking code is locked too" in after.stderr) == (6, True)


def test_at_a_terminal_the_new_passcode_is_typed_twice_and_shown_never(data: Path, at_terminal: SitDown) -> None:
    terminal = at_terminal("--demo", "--data", data, "--card", "one-role", "passcode")
    for question, typed in (
        ("Passcode: ", "123456"),
        ("New passcode: ", "246810"),
        ("New passcode again: ", "246811"),
        ("not the same", ""),
        ("New passcode: ", "246810"),
        ("New passcode again: ", "246810"),
    ):
        terminal.sees(question)
        if typed:
            terminal.types(typed + "\n")
    terminal.sees("The passcode is changed.")
    assert terminal.ends() == 0
    assert "246810" not in terminal.shown


def test_the_last_try_is_confirmed_at_a_terminal(desk: Desk, at_terminal: SitDown) -> None:
    for _ in range(2):
        desk.run("one-role", "passcode", stdin="000000\n246810\n")
    terminal = at_terminal("--demo", "--data", desk.data, "--card", "one-role", "passcode")
    terminal.sees("1 try left")
    for question, typed in (("Passcode: ", "123456"), ("New passcode: ", "246810"), ("again: ", "246810")):
        terminal.sees(question)
        terminal.types(typed + "\n")
    terminal.sees("Use it?")
    terminal.reads()
    terminal.types("y\n")
    terminal.sees("The passcode is changed.")
