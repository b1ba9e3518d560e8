"""Yubico's yubico-piv-tool, which knows PIV cards that are not its own too, against the virtual card in pcscd."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.emulator import PASSCODE, UID, CardKey, card_keys, self_signed, tries_left_on_disk
from support.machine import need
from support.programs import run

NEW_PASSCODE, UNBLOCKING_CODE = "654321", "12345678"
ANOTHER_MANAGEMENT_KEY = "0A" * 24
IMPORTED_UID = "555000000099"
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


def tool(*arguments: str, code: int | None = 0) -> str:
    """Run yubico-piv-tool on the first of vpcd's readers; by itself it looks for a reader of Yubico's."""
    need("yubico-piv-tool")
    return run("yubico-piv-tool", "--reader", "Virtual PCD", *arguments, code=code)


def actions(*names: str) -> list[str]:
    return [word for name in names for word in ("--action", name)]


def settings(card: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((card / "card.json").read_text())
    return read


def public_pem(key: CardKey) -> bytes:
    return key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_yubico_piv_tool_status(card: Path) -> None:
    said = tool("--action", "status")
    slots = re.findall(r"Slot (\w\w):\s+Algorithm:\s+(\w+)\s+Subject DN:\s+(.+)", said)
    subject = f"O=nhs, OU=people, CN={UID}"
    assert slots == [("9a", "RSA2048", subject), *((slot, "ECCP256", subject) for slot in ("9c", "9d", "9e"))]
    assert "PIN tries left:\t3" in said
    assert "341000112233445566778899aabbccddeeff" in said  # the GUID in the CHUID


def test_yubico_piv_tool_verify_pin(own_card: Path) -> None:
    said = tool("--action", "verify-pin", "--pin", "000000", code=1)
    assert "2 tries left" in said
    assert tries_left_on_disk(own_card) == 2
    assert "Successfully verified PIN" in tool("--action", "verify-pin", "--pin", PASSCODE)
    assert tries_left_on_disk(own_card) == 3


def test_yubico_piv_tool_change_pin(own_card: Path) -> None:
    change = ("--action", "change-pin", "--pin", PASSCODE, "--new-pin", NEW_PASSCODE)
    assert "Successfully changed the pin code" in tool(*change)
    assert settings(own_card)["passcode"] == NEW_PASSCODE
    tool(*change, code=1)
    assert tries_left_on_disk(own_card) == 2


def test_yubico_piv_tool_unblock_pin(own_card: Path) -> None:
    for _ in range(3):
        tool("--action", "verify-pin", "--pin", "000000", code=1)
    assert tries_left_on_disk(own_card) == 0
    unblock = ("--action", "unblock-pin", "--new-pin", NEW_PASSCODE)
    assert "2 tries left" in tool(*unblock, "--pin", "99999999", code=1)
    assert "Successfully unblocked" in tool(*unblock, "--pin", UNBLOCKING_CODE)
    assert tries_left_on_disk(own_card) == 3
    assert "Successfully verified PIN" in tool("--action", "verify-pin", "--pin", NEW_PASSCODE)


def test_yubico_piv_tool_change_puk(own_card: Path) -> None:
    tool("--action", "change-puk", "--pin", UNBLOCKING_CODE, "--new-pin", "87654321")
    assert settings(own_card)["unblocking_code"] == "87654321"


@pytest.mark.parametrize(("slot", "algorithm"), [("9a", "RSA2048"), ("9c", "ECCP256"), ("9e", "ECCP384")])
def test_yubico_piv_tool_makes_a_key_useful(slot: str, algorithm: str, own_card: Path, tmp_path: Path) -> None:
    """generate, import-certificate, read-certificate, test-signature."""
    public, file = tmp_path / "public.pem", tmp_path / "certificate.pem"
    said = tool("--action", "generate", "--slot", slot, "--algorithm", algorithm, "--output", str(public))
    assert "Successfully generated a new private key" in said
    key = serialization.load_pem_private_key((own_card / f"{slot.upper()}.key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    assert public.read_bytes() == public_pem(key)
    file.write_bytes(self_signed(IMPORTED_UID, key).public_bytes(PEM))
    imported = tool("--action", "import-certificate", "--slot", slot, "--input", str(file))
    assert "Successfully imported a new certificate" in imported
    assert tool("--action", "read-certificate", "--slot", slot).encode() == file.read_bytes()
    verify = (*actions("verify-pin", "test-signature"), "--pin", PASSCODE, "--slot", slot)
    assert re.search(r"Successful (RSA|ECDSA) verification", tool(*verify, "--input", str(file)))


@pytest.mark.parametrize(("slot", "like"), [("9d", "9A"), ("9d", "9C"), ("82", "9C")])
def test_yubico_piv_tool_import_key(slot: str, like: str, own_card: Path, tmp_path: Path) -> None:
    """import-key, import-certificate, then test-decipher: an RSA key, an EC key, a retired key."""
    key = card_keys()[like]
    (tmp_path / "key.pem").write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    said = tool("--action", "import-key", "--slot", slot, "--input", str(tmp_path / "key.pem"))
    assert "Successfully imported a new private key" in said
    file = tmp_path / "certificate.pem"
    file.write_bytes(self_signed(IMPORTED_UID, key).public_bytes(PEM))
    tool("--action", "import-certificate", "--slot", slot, "--input", str(file))
    certificate = x509.load_pem_x509_certificate((own_card / f"{slot.upper()}.cert.pem").read_bytes())
    assert certificate == self_signed(IMPORTED_UID, key)
    decipher = (*actions("verify-pin", "test-decipher"), "--pin", PASSCODE, "--slot", slot, "--input", str(file))
    assert re.search(r"Success", tool(*decipher))


def test_yubico_piv_tool_set_mgm_key(own_card: Path, tmp_path: Path) -> None:
    tool("--action", "set-mgm-key", "--new-key", ANOTHER_MANAGEMENT_KEY)
    assert settings(own_card)["management_key"] == ANOTHER_MANAGEMENT_KEY
    generate = ("--action", "generate", "--slot", "9e", "--algorithm", "ECCP256", "--output", str(tmp_path / "public"))
    tool(*generate, code=1)  # with the usual key, which is not this card's any more
    tool(*generate, f"--key={ANOTHER_MANAGEMENT_KEY}")


def test_yubico_piv_tool_set_chuid(own_card: Path) -> None:
    before = re.findall(r"CHUID:\s+(\w+)", tool("--action", "status"))
    assert "Successfully set new CHUID" in tool("--action", "set-chuid")
    assert re.findall(r"CHUID:\s+(\w+)", tool("--action", "status")) != before


def test_yubico_piv_tool_reset(own_card: Path) -> None:
    """Only a card with both codes locked can be made blank."""
    tool("--action", "reset", code=1)
    for action in ("verify-pin", "change-puk"):
        for _ in range(3):
            tool("--action", action, "--pin", "00000000", "--new-pin", "11111111", code=1)
    assert "Successfully reset the application" in tool("--action", "reset")
    assert not list(own_card.glob("*.key.pem"))
    assert "PIN tries left:\t3" in tool("--action", "status")
