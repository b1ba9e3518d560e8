"""OpenSC's own programs against the virtual card, through a real pcscd and vpcd."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.emulator import PASSCODE, UID, EmulatorProgram, tries_left_on_disk
from support.machine import need, wait_until
from support.reader import Pcscd

MESSAGE = b"a challenge of 48 bytes, as the broker sends it."
WITH_PASSCODE = ("--login", "--pin", PASSCODE)


@pytest.fixture
def emulator(
    card_folder: Path, pcscd: Pcscd, run_emulator: Callable[..., EmulatorProgram]
) -> Iterator[EmulatorProgram]:
    """A card in the first reader of pcscd, seen by it."""
    need("opensc-tool", "pkcs15-tool", "pkcs11-tool", "openssl")
    program = run_emulator(card_folder.parents[1], pcscd.vpcd, "one-role")
    assert program.ready() == f"ready {pcscd.vpcd}"
    wait_until(lambda: " Yes " in run("opensc-tool", "--list-readers"), what="a card for OpenSC")
    yield program
    program.stop()


def run(*command: str, code: int = 0) -> str:
    """Run a program to its end, expect its exit code, return all it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == code, done.stdout
    return done.stdout


def test_atr_and_driver(emulator: EmulatorProgram) -> None:
    atr = "3b:dd:18:ff:81:b1:fe:45:1f:03:80:73:c0:21:c0:67:4c:41:4e:59:41:52:44:55"
    assert atr in run("opensc-tool", "--atr")
    assert "Personal Identity Verification Card" in run("opensc-tool", "--name")
    assert "00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF" in run("opensc-tool", "--serial")


def test_pkcs15_dump(emulator: EmulatorProgram) -> None:
    said = run("pkcs15-tool", "--dump")
    assert re.findall(r"Private (\w+) Key \[(.+)\]", said) == [
        ("RSA", "PIV AUTH key"),
        ("EC", "SIGN key"),
        ("EC", "KEY MAN key"),
        ("EC", "CARD AUTH key"),
    ]
    assert len(re.findall(r"X\.509 Certificate \[Certificate for ", said)) == 4
    assert re.findall(r"ModLength +: (\d+)", said) == ["2048", "2048"]
    assert f"PKCS#15 Card [{UID}]" in said
    assert "Serial number  : 00112233445566778899aabbccddeeff" in said


def test_pkcs11_test(emulator: EmulatorProgram) -> None:
    said = run("pkcs11-tool", *WITH_PASSCODE, "--test")
    assert "No errors" in said
    assert "ERR" not in said
    keys = re.findall(r"testing key (\d) \((.+?)\)", said)
    assert {name for _, name in keys} == {"PIV AUTH key", "SIGN key", "KEY MAN key", "CARD AUTH key"}
    for mechanism in ("RSA-X-509", "RSA-PKCS", "SHA1-RSA-PKCS", "SHA256-RSA-PKCS"):
        assert f"{mechanism}: OK" in said


@pytest.mark.parametrize(
    ("key", "mechanism", "options", "digest"),
    [
        ("01", "SHA1-RSA-PKCS", [], "-sha1"),
        ("01", "SHA256-RSA-PKCS", [], "-sha256"),
        ("01", "SHA256-RSA-PKCS-PSS", [], "-sha256"),
        ("02", "ECDSA-SHA256", ["--signature-format", "openssl"], "-sha256"),
        ("04", "ECDSA-SHA1", ["--signature-format", "openssl"], "-sha1"),
    ],
)
def test_signatures_hold_for_openssl(
    key: str, mechanism: str, options: list[str], digest: str, emulator: EmulatorProgram, tmp_path: Path
) -> None:
    message, signature, public = (tmp_path / name for name in ("message", "signature", "public"))
    message.write_bytes(MESSAGE)
    run("pkcs15-tool", "--read-public-key", key, "--output", str(public))
    run(
        *("pkcs11-tool", *WITH_PASSCODE, "--sign", "--id", key, "--mechanism", mechanism),
        *(*options, "--input-file", str(message), "--output-file", str(signature)),
    )
    pss = ["-sigopt", "rsa_padding_mode:pss"] if mechanism.endswith("PSS") else []
    verified = run(
        *("openssl", "dgst", digest, *pss, "-verify", str(public)), *("-signature", str(signature), str(message))
    )
    assert "Verified OK" in verified


def test_wrong_passcode_is_told_and_counted(emulator: EmulatorProgram, card_folder: Path) -> None:
    said = run("pkcs11-tool", "--login", "--pin", "000000", "--list-objects", code=1)
    assert "CKR_PIN_INCORRECT" in said
    assert tries_left_on_disk(card_folder) == 2
    run("pkcs11-tool", *WITH_PASSCODE, "--list-objects")
    assert tries_left_on_disk(card_folder) == 3


def test_locked_card(emulator: EmulatorProgram, card_folder: Path) -> None:
    for _ in range(3):
        run("pkcs11-tool", "--login", "--pin", "000000", "--list-objects", code=1)
    assert tries_left_on_disk(card_folder) == 0
    assert "CKR_PIN_LOCKED" in run("pkcs11-tool", *WITH_PASSCODE, "--list-objects", code=1)


def test_no_passcode_in_the_log_of_all_that(emulator: EmulatorProgram) -> None:
    run("pkcs11-tool", *WITH_PASSCODE, "--list-objects")
    log = emulator.log.read_text()
    assert "VERIFY passcode: 9000" in log
    assert PASSCODE not in log
