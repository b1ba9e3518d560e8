"""What Yubico's tools ask of a card, and what they write to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.emulator import SELECT_PIV, CardKey, send, write_settings
from support.management import authenticate, chained, managed_card

from emulator import Card, CardError, VirtualCard
from emulator.identifiers import Algorithm
from emulator.iso7816 import tlv
from emulator.keys.management_key import ManagementKey

VERIFY = "0020008008313233343536FFFF"
Open = Callable[[], VirtualCard]


@pytest.fixture
def card(card_folder: Path) -> Open:
    return lambda: managed_card(card_folder)


def test_codes_and_management_key(card: Open, card_folder: Path) -> None:
    assert send(card(), "0024008010 313233343536FFFF 3635343332313233")[1] == "9000"
    assert send(card(), "002400811031323334353637383132333435 3631FF")[1] == "9000"
    key = ManagementKey(Algorithm.AES_256, bytes(range(32)))
    managed = card()
    assert send(managed, f"00FFFFFF230C9B20{key.value.hex()}") == ("", "9000")
    assert authenticate(managed, key) == "9000"
    values = json.loads((card_folder / "card.json").read_text())
    assert values["passcode"] == "65432123"
    assert values["unblocking_code"] == "1234561"
    assert (values["management_algorithm"], values["management_key"]) == ("AES_256", key.value.hex().upper())
    again = VirtualCard(Card.open(card_folder))
    send(again, SELECT_PIV)
    assert authenticate(again, key) == "9000"
    assert send(again, "0087039B047C028100 00") == ("", "6A86")


@pytest.mark.parametrize(
    "data", ["", "039B", "039B18", "119B10" + "00" * 16, "039A18" + "00" * 24, "089B11" + "00" * 17]
)
def test_no_management_key(data: str, card: Open) -> None:
    assert send(card(), f"00FFFFFF{len(data) // 2:02X}{data}") == ("", "6A80")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"management_algorithm": "DES"}, "one of TDES"),
        ({"management_algorithm": "AES_128"}, "32 hex digits"),
        ({"management_key": "00"}, "48 hex digits"),
        ({"version": "5"}, "three numbers"),
    ],
)
def test_broken_settings(settings: dict[str, str], wanted: str, card_folder: Path) -> None:
    write_settings(card_folder, **settings)
    if wanted == "32 hex digits":
        write_settings(card_folder, **settings, management_key="00" * 24)
    with pytest.raises(CardError, match=wanted):
        Card.open(card_folder)


def numbers(key: CardKey) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = key.curve.key_size // 8
        return tlv.encode(6, key.private_numbers().private_value.to_bytes(size, "big"))
    private = key.private_numbers()
    parts = (private.p, private.q, private.dmp1, private.dmq1, private.iqmp)
    return b"".join(tlv.encode(tag, part.to_bytes(key.key_size // 16, "big")) for tag, part in enumerate(parts, 1))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(65537, 2048), "07"),
        (rsa.generate_private_key(3, 2048), "07"),
        (ec.generate_private_key(ec.SECP256R1()), "11"),
        (ec.generate_private_key(ec.SECP384R1()), "14"),
    ],
)
def test_imported_keys(key: CardKey, algorithm: str, card: Open, card_folder: Path) -> None:
    body = numbers(key) + bytes.fromhex("AA0101 AB0101")
    assert chained(card(), f"00FE{algorithm}9A", body) == ("", "9000")
    stored = serialization.load_pem_private_key((card_folder / "9A.key.pem").read_bytes(), None)
    assert isinstance(stored, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    assert stored.public_key().public_numbers() == key.public_key().public_numbers()
    assert send(card(), "00F7009A00")[0].startswith(f"0101{algorithm}0202010103010204")


@pytest.mark.parametrize(
    ("algorithm", "body"),
    [
        ("06", numbers(rsa.generate_private_key(65537, 1024))),  # noqa: S505 - refused here
        ("14", b"\x06\x30" + b"\xff" * 48),
        ("07", numbers(ec.generate_private_key(ec.SECP256R1()))),
        ("11", b"\x06\x20" + bytes(32)),
        ("11", b"\x06\x20" + b"\xff" * 32),
        ("07", b"".join(bytes((tag, 1, 2)) for tag in range(1, 6))),
        ("07", b"".join(bytes((tag, 1, 0)) for tag in range(1, 6))),
        ("07", b"\x01\x01\x01"),
        ("03", b"\x06\x01\x01"),
    ],
    ids=["rsa-1024", "p384-large", "ec-as-rsa", "p256-zero", "p256-large", "twos", "zeros", "one-prime", "3des"],
)
def test_no_key(algorithm: str, body: bytes, card: Open) -> None:
    assert chained(card(), f"00FE{algorithm}9A", body) == ("", "6A80")


def test_keys_move(card: Open, card_folder: Path) -> None:
    """Yubico, PIV extensions: MOVE KEY."""
    assert send(card(), "00F6829D") == ("", "9000")
    assert sorted(path.name for path in card_folder.glob("*.key.pem")) == [
        f"{slot}.key.pem" for slot in ("82", "9A", "9C", "9E")
    ]
    assert send(card(), "00F69A82") == ("", "6A86")
    assert send(card(), "00F6839D") == ("", "6A88")
    assert send(card(), "00F6FF82") == ("", "9000")
    assert not (card_folder / "82.key.pem").exists()


def test_rsa_1024_is_read_and_not_made(card: Open, card_folder: Path) -> None:
    old = rsa.generate_private_key(65537, 1024)  # noqa: S505 - as on old cards
    (card_folder / "9D.key.pem").write_bytes(
        old.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    reading = card()
    send(reading, VERIFY)
    body = tlv.encode(0x7C, b"\x82\x00", tlv.encode(0x81, b"\0" + bytes(126) + b"\2"))
    answer = bytes.fromhex(chained(reading, "0087069D", body)[0])
    signature = tlv.parse(tlv.parse(answer)[0x7C])[0x82]
    public = old.public_key().public_numbers()
    assert pow(int.from_bytes(signature, "big"), public.e, public.n) == 2
    assert send(reading, "0047009D05AC03800106 00") == ("", "6A80")


def test_set_tries(card: Open, card_folder: Path) -> None:
    setting = card()
    assert send(setting, "00FA0507") == ("", "6982")
    send(setting, VERIFY)
    assert send(setting, "00FA0507") == ("", "9000")
    assert send(setting, "00200080") == ("", "63C5")
    values = json.loads((card_folder / "card.json").read_text())
    assert [values[name] for name in ("tries", "tries_left", "unblocking_tries", "unblocking_tries_left")] == [
        5,
        5,
        7,
        7,
    ]
