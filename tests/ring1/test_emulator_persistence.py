"""What programs write to a card is in its folder, in plain files, and there tomorrow."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from support.emulator import card_keys, self_signed, send
from support.management import chained, encrypt, managed_card

from emulator import Card, CardError, VirtualCard
from emulator.identifiers import CERTIFICATE_OBJECTS
from emulator.iso7816 import tlv
from emulator.keys.management_key import ManagementKey
from emulator.store.card import summaries

VERIFY = "0020008008313233343536FFFF"
Open = Callable[[], VirtualCard]


@pytest.fixture
def card(card_folder: Path) -> Open:
    return lambda: managed_card(card_folder)


def put(card: VirtualCard, tag: str, content: bytes) -> str:
    body = tlv.encode(0x5C, bytes.fromhex(tag)) + tlv.encode(0x53, content)
    return chained(card, "00DB3FFF", body)[1]


def get(card: VirtualCard, tag: str) -> bytes | str:
    body = tlv.encode(0x5C, bytes.fromhex(tag))
    data, status = chained(card, "00CB3FFF", body)
    return tlv.parse(bytes.fromhex(data))[0x53] if status == "9000" else status


def der(slot: str) -> bytes:
    return self_signed("555000000099", card_keys()[slot]).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("tag", ["5FC102", "5FC106", "5FC103", "5FC10C", "5FFF00", "5FFF10"])
def test_objects(tag: str, card: Open, card_folder: Path) -> None:
    content = bytes(range(256)) * 12
    assert put(card(), tag, content) == "9000"
    assert (card_folder / f"{tag}.object").read_bytes() == content
    again = card()
    send(again, VERIFY)
    assert get(again, tag) == content
    before = get(VirtualCard(Card.open(shutil.copytree(card_folder, card_folder.with_name("blank")))), tag)
    assert before == "6D00"  # of a card on which PIV is not selected
    assert put(again, tag, b"") == "9000"
    assert not (card_folder / f"{tag}.object").exists()


@pytest.mark.parametrize("tag", ["5FC200", "5F0000", "6FC101", "02"])
def test_no_place_for_other_tags(tag: str, card: Open) -> None:
    assert put(card(), tag, b"x") == "6A81"


def test_what_the_card_says_by_itself_comes_back(card: Open) -> None:
    chuid = get(card(), "5FC102")
    put(card(), "5FC102", b"\x34\x10" + bytes(16))
    assert get(card(), "5FC102") == b"\x34\x10" + bytes(16)
    put(card(), "5FC102", b"")
    assert get(card(), "5FC102") == chuid


def test_objects_with_a_tag_of_their_own(card: Open, card_folder: Path) -> None:
    """SP 800-73-4 Part 2, section 3.3.1: no tag list, no tag 53."""
    assert send(card(), "00DB3FFF06 7F6103020100") == ("", "9000")
    assert (card_folder / "7F61.object").read_bytes() == b"\x02\x01\x00"
    assert send(card(), "00CB3FFF045C027F61 00") == ("7F6103020100", "9000")


@pytest.mark.parametrize(("tag", "slot"), [("5FC105", "9A"), ("5FC10B", "9D"), ("5FC10D", "82"), ("5FC120", "95")])
def test_certificates_are_certificates(tag: str, slot: str, card: Open, card_folder: Path) -> None:
    content = tlv.encode(0x70, der("9A")) + b"\x71\x01\x00\xfe\x00"
    assert put(card(), tag, content) == "9000"
    stored = x509.load_pem_x509_certificate((card_folder / f"{slot}.cert.pem").read_bytes())
    assert "555000000099" in stored.subject.rfc4514_string()
    assert get(card(), tag) == content


def test_compressed_certificates(card: Open, card_folder: Path) -> None:
    """SP 800-73-4 Part 1, table 10 and page 35: CertInfo says that it is compressed by gzip."""
    packed = gzip.compress(der("9A"))
    content = tlv.encode(0x70, packed) + b"\x71\x01\x01\xfe\x00"
    assert put(card(), "5FC105", content) == "9000"
    assert gzip.decompress((card_folder / "9A.cert.gz").read_bytes()) == der("9A")
    assert not (card_folder / "9A.cert.pem").exists()
    assert get(card(), "5FC105") == content
    assert [summary.uid for summary in summaries(card_folder.parents[1])] == ["555000000099"]
    put(card(), "5FC105", tlv.encode(0x70, der("9A")) + b"\x71\x01\x00\xfe\x00")
    assert not (card_folder / "9A.cert.gz").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"rubbish",
        tlv.encode(0x70, b"rubbish") + b"\x71\x01\x00\xfe\x00",
        tlv.encode(0x70, b"rubbish") + b"\x71\x01\x01\xfe\x00",
        tlv.encode(0x70, gzip.compress(bytes(100_000))) + b"\x71\x01\x01\xfe\x00",
        tlv.encode(0x70, b"0\x03\x02\x01\x00"),
    ],
)
def test_whatever_is_put_in_a_certificate_s_place_stays_as_it_is(content: bytes, card: Open, card_folder: Path) -> None:
    assert put(card(), "5FC105", content) == "9000"
    assert (card_folder / "5FC105.object").read_bytes() == content
    assert not (card_folder / "9A.cert.pem").exists()
    assert get(card(), "5FC105") == content


def test_broken_compressed_certificate_in_the_folder(card_folder: Path) -> None:
    (card_folder / "9A.cert.gz").write_bytes(gzip.compress(der("9A"))[:-4])
    with pytest.raises(CardError, match=r"9A\.cert\.gz: compressed data cut off"):
        Card.open(card_folder)


def test_key_history(card: Open, card_folder: Path) -> None:
    """SP 800-73-4 Part 1, section 3.3.3 and table 19: how many retired keys, with and without certificate."""
    assert get(card(), "5FC10C") == "6A82"
    for slot in ("82", "83"):
        assert send(card(), f"004700{slot}05AC03800111 00")[1] == "9000"
    put(card(), "5FC10D", tlv.encode(0x70, der("9C")) + b"\x71\x01\x00\xfe\x00")
    content = get(card(), "5FC10C")
    assert isinstance(content, bytes)
    assert content.startswith(bytes.fromhex("C10101 C20101 F3"))


def test_every_place_has_an_object() -> None:
    assert len(CERTIFICATE_OBJECTS) == 24
    assert len(set(CERTIFICATE_OBJECTS.values())) == 24


def test_a_wrong_answer_takes_the_management_away(card: Open) -> None:
    managed = card()
    send(managed, "0087039B047C028100 00")
    wrong = encrypt(ManagementKey(), bytes(8)).hex()
    assert send(managed, f"0087039B0C7C0A8208{wrong}") == ("", "6982")
    assert put(managed, "5FC106", b"x") == "6982"
