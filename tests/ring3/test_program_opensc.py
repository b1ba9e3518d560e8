"""OpenSC's programs pkcs15-tool, pkcs15-crypt and opensc-tool, against the virtual card in pcscd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.emulator import PASSCODE, UID
from support.machine import need
from support.programs import run

HASH = bytes(range(32))


def public_key(key: str, folder: Path) -> str:
    """Read a public key off the card with pkcs15-tool, return its file."""
    path = folder / f"{key}.pem"
    run("pkcs15-tool", "--read-public-key", key, "--output", str(path))
    return str(path)


def test_opensc_tool(card: Path) -> None:
    need("opensc-tool")
    atr = "3b:dd:18:ff:81:b1:fe:45:1f:03:80:73:c0:21:c0:67:4c:41:4e:59:41:52:44:55"
    assert atr in run("opensc-tool", "--atr")
    assert "Personal Identity Verification Card" in run("opensc-tool", "--name")
    assert "00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF" in run("opensc-tool", "--serial")


def test_pkcs15_tool_dump(card: Path) -> None:
    need("pkcs15-tool")
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


def test_pkcs15_tool_verifies_the_passcode(card: Path) -> None:
    assert "CKR" not in run("pkcs15-tool", "--verify-pin", "--pin", PASSCODE)


@pytest.mark.parametrize("key", ["01", "02"], ids=["9A", "9C"])
def test_pkcs15_crypt_signs(key: str, card: Path, tmp_path: Path) -> None:
    need("pkcs15-crypt", "openssl")
    file, signature = tmp_path / "hash", tmp_path / "signature"
    file.write_bytes(HASH)
    options = {"01": ["--sha-256", "--pkcs1"], "02": ["--signature-format", "openssl"]}[key]
    run(
        *("pkcs15-crypt", "--sign", "--pin", PASSCODE, "--key", key, *options, "--raw"),
        *("--input", str(file), "--output", str(signature)),
    )
    padding = ["-pkeyopt", "digest:sha256"] if key == "01" else []
    verify = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public_key(key, tmp_path), *padding)
    assert "Verified Successfully" in run(*verify, "-in", str(file), "-sigfile", str(signature))


def test_pkcs15_crypt_decrypts(card: Path, tmp_path: Path) -> None:
    need("pkcs15-crypt", "openssl")
    secret, encrypted, decrypted = (tmp_path / name for name in ("secret", "encrypted", "decrypted"))
    secret.write_bytes(HASH)
    key = public_key("01", tmp_path)
    run("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", key, "-in", str(secret), "-out", str(encrypted))
    run(
        *("pkcs15-crypt", "--decipher", "--pin", PASSCODE, "--key", "01", "--pkcs1", "--raw"),
        *("--input", str(encrypted), "--output", str(decrypted)),
    )
    assert decrypted.read_bytes() == HASH
