"""The other side of a card's management key, and commands longer than a short APDU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from emulator import VirtualCard
from emulator.identifiers import Algorithm
from emulator.iso7816 import tlv
from emulator.keys.management_key import ManagementKey
from support.emulator import SELECT_PIV, send

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES

KEYS = [
    ManagementKey(),
    ManagementKey(Algorithm.AES_128, bytes(range(16))),
    ManagementKey(Algorithm.AES_192, bytes(range(24))),
    ManagementKey(Algorithm.AES_256, bytes(range(32))),
]


def management_key(key: ManagementKey) -> Any:
    """Return the cipher as the client has it."""
    algorithm = TripleDES(key.value) if key.algorithm == Algorithm.TDES else AES(key.value)
    return Cipher(algorithm, modes.ECB())  # noqa: S305 - as the standard has it


def encrypt(key: ManagementKey, block: bytes) -> bytes:
    """Encrypt one block as the client does."""
    return bytes(management_key(key).encryptor().update(block))


def authenticate(card: VirtualCard, key: ManagementKey | None = None) -> str:
    """Prove the management key (SP 800-73-4 Part 2, section A.1); return the status word."""
    key = key or ManagementKey()
    challenge = template(send(card, f"0087{key.algorithm:02X}9B047C028100 00"))[0x81]
    body = tlv.encode(0x7C, tlv.encode(0x82, encrypt(key, challenge)))
    return send(card, f"0087{key.algorithm:02X}9B{len(body):02X}{body.hex()}")[1]


def managed_card(folder: Path) -> VirtualCard:
    """Open a card as after its next insertion, with PIV selected and the usual management key proved."""
    card = VirtualCard.open(folder)
    send(card, SELECT_PIV)
    authenticate(card)
    return card


def template(answer: tuple[str, str]) -> dict[int, bytes]:
    """Return what is in the dynamic authentication template of a good answer."""
    data, status = answer
    assert status == "9000", status
    return tlv.parse(tlv.parse(bytes.fromhex(data))[0x7C])


def chained(card: VirtualCard, header: str, body: bytes) -> tuple[str, str]:
    """Send a command in links of 255 bytes, fetch all of the answer."""
    while len(body) > 255:
        assert send(card, f"1{header[1:]}FF{body[:255].hex()}") == ("", "9000")
        body = body[255:]
    data, status = send(card, f"{header}{len(body):02X}{body.hex()}00")
    while status.startswith("61"):
        more, status = send(card, "00C0000000")
        data += more
    return data, status
