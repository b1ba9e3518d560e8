"""Faults: what each does to a card, which comes first, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from support.emulator import SELECT_PIV, card_keys, send, tries_left_on_disk

from emulator import Card, VirtualCard
from emulator.errors import FaultError, NoAnswerError
from emulator.faults import (
    KINDS,
    Certificate,
    Mute,
    Oversized,
    Pulled,
    SignatureBit,
    Slow,
    Status,
    Tries,
    Truncated,
    WrongAtr,
    WrongKey,
)
from emulator.faults.layers import Fault
from emulator.faults.text import as_json, catalogue, parse_fault
from emulator.faults.wrong_certificates import Wrong
from emulator.identifiers import Instruction, KeyReference
from emulator.iso7816 import tlv
from emulator.virtual_card import Exchange

CHUID = "00CB3FFF055C035FC10200"
CERTIFICATE = "00CB3FFF0000055C035FC1050000"
PASSCODE_RIGHT = "0020008008313233343536FFFF"
HASH = bytes(range(32))
SIGN_9E = "0087119E" + "26" + "7C24" + "8200" + "8120" + HASH.hex() + "00"


@pytest.fixture
def card(virtual_card: VirtualCard) -> VirtualCard:
    assert send(virtual_card, SELECT_PIV + "00")[1] == "9000"
    return virtual_card


def signature(card: VirtualCard) -> bytes:
    answer, word = send(card, SIGN_9E)
    assert word == "9000"
    return tlv.parse(tlv.parse(bytes.fromhex(answer))[0x7C])[0x82]


def is_right(signed: bytes) -> bool:
    public = card_keys()["9E"].public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    try:
        public.verify(signed, HASH, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def certificate(card: VirtualCard) -> x509.Certificate:
    answer, word = send(card, CERTIFICATE)
    assert word == "9000"
    return x509.load_der_x509_certificate(tlv.parse(tlv.parse(bytes.fromhex(answer))[0x53])[0x70])


def numbers(read: x509.Certificate) -> object:
    """Return what its public key is made of."""
    public = read.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return public.public_numbers()


def holds(data_object: str) -> bool:
    """Return whether a certificate object's certificate holds now."""
    der = tlv.parse(tlv.parse(bytes.fromhex(data_object))[0x53])[0x70]
    validity = asn1.Certificate.load(der)
    return bool(validity.not_valid_before < datetime.now(UTC) < validity.not_valid_after)


def test_pulled_in_the_middle_of_the_next_command(card: VirtualCard) -> None:
    card.faults.add(Pulled())
    with pytest.raises(NoAnswerError, match="pulled"):
        send(card, PASSCODE_RIGHT)
    assert not card.faults
    assert not card.state.selected


def test_pulled_later_and_only_by_one_kind_of_command(card: VirtualCard) -> None:
    card.faults.add(Pulled(instruction=Instruction.VERIFY, nth=2))
    assert send(card, "00200080")[1] == "63C3"
    assert send(card, CHUID)[1] == "9000"
    with pytest.raises(NoAnswerError):
        send(card, "00200080")


def test_mute_until_cleared(card: VirtualCard) -> None:
    card.faults.add(Mute())
    for _ in range(2):
        with pytest.raises(NoAnswerError, match="mute"):
            send(card, CHUID)
    card.faults.clear("mute")
    assert send(card, CHUID)[1] == "9000"


def test_slow_is_slower_for_a_signature(card: VirtualCard) -> None:
    card.faults.add(Slow(command=20, signature=600))
    assert card.respond(bytes.fromhex(CHUID)).seconds == pytest.approx(0.02)
    assert card.respond(bytes.fromhex(SIGN_9E)).seconds == pytest.approx(0.62)


def test_a_slow_card_is_waited_for(card: VirtualCard) -> None:
    seen: list[Exchange] = []
    card.observer = seen.append
    card.faults.add(Slow(command=30))
    assert send(card, CHUID)[1] == "9000"
    assert seen[0].milliseconds >= 30
    assert seen[0].faults == ("slow",)


def test_another_atr(card: VirtualCard) -> None:
    card.faults.add(WrongAtr(bytes.fromhex("3B8001")))
    assert card.power_on() == bytes.fromhex("3B8001")
    card.faults.clear()
    assert card.power_on() == VirtualCard.atr


def test_truncated_data_keeps_its_status_word(card: VirtualCard) -> None:
    whole, _ = send(card, CHUID)
    card.faults.add(Truncated(missing=5))
    assert send(card, CHUID) == (whole[:-10], "9000")
    assert send(card, CHUID) == (whole, "9000")


def test_truncated_into_the_status_word(card: VirtualCard) -> None:
    card.faults.add(Truncated(missing=1, status=False, times=2))
    for _ in range(2):
        assert card.transmit(bytes.fromhex("00200080")) == b"\x63"
    assert send(card, "00200080")[1] == "63C3"


def test_oversized(card: VirtualCard) -> None:
    whole, _ = send(card, CHUID)
    card.faults.add(Oversized(extra=300))
    assert send(card, CHUID) == (whole + "FF" * 300, "9000")


def test_a_chosen_status_word_and_nothing_is_done(card: VirtualCard, card_folder: Path) -> None:
    card.faults.add(Status(word=0x6581, instruction=Instruction.VERIFY))
    assert send(card, PASSCODE_RIGHT.replace("31", "39"))[1] == "6581"
    assert tries_left_on_disk(card_folder) == 3
    assert send(card, PASSCODE_RIGHT)[1] == "9000"


def test_a_chained_command_counts_once(card: VirtualCard) -> None:
    card.faults.add(Status(word=0x6F00, nth=2, instruction=Instruction.GENERAL_AUTHENTICATE))
    first, last = f"1087119E10{SIGN_9E[10:42]}", f"0087119E16{SIGN_9E[42:]}"
    assert [send(card, part)[1] for part in (first, last)] == ["9000", "9000"]
    assert [send(card, part)[1] for part in (first, last)] == ["9000", "6F00"]


@pytest.mark.parametrize("wrong", [Wrong.EXPIRED, Wrong.NOT_YET_VALID, Wrong.OTHER_CA])
def test_a_certificate_with_one_thing_wrong(wrong: Wrong, card: VirtualCard) -> None:
    right = certificate(card)
    card.faults.add(Certificate(wrong))
    read = certificate(card)
    assert read.subject == right.subject
    assert read.serial_number == right.serial_number
    assert numbers(read) == numbers(right)
    assert (read.issuer == right.issuer) == (wrong is not Wrong.OTHER_CA)
    assert holds(send(card, CERTIFICATE)[0]) == (wrong is Wrong.OTHER_CA)
    card.faults.clear()
    assert certificate(card) == right


def test_a_corrupt_certificate_is_none(card: VirtualCard) -> None:
    card.faults.add(Certificate(Wrong.CORRUPT))
    with pytest.raises(ValueError):  # noqa: PT011
        certificate(card)
    assert send(card, "00CB3FFF0000055C035FC1010000")[1] == "9000"


def test_the_test_ca_signs_again_where_it_is_known(card: VirtualCard, card_folder: Path) -> None:
    authorities = card_folder.parents[1] / "ca"
    authorities.mkdir()
    for kind in ("cert", "key"):
        (authorities / f"issuing.{kind}.pem").write_bytes((card_folder / f"9A.{kind}.pem").read_bytes())
    card.faults.add(Certificate(Wrong.EXPIRED))
    read = certificate(card)
    issuer = card_keys()["9A"].public_key()
    assert isinstance(issuer, rsa.RSAPublicKey)
    issuer.verify(read.signature, read.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA256())


def test_another_key_than_the_certificate_s(card: VirtualCard) -> None:
    assert is_right(signature(card))
    card.faults.add(WrongKey(KeyReference.CARD_AUTHENTICATION))
    assert not is_right(signature(card))
    card.faults.clear()
    assert is_right(signature(card))


def test_a_wrong_bit_in_a_signature(card: VirtualCard) -> None:
    card.faults.add(SignatureBit())
    assert not is_right(signature(card))
    assert send(card, CHUID)[1] == "9000"


@pytest.mark.parametrize("left", [1, 0])
def test_few_tries_are_written_to_the_card(left: int, card: VirtualCard, card_folder: Path) -> None:
    card.faults.add(Tries(left))
    assert tries_left_on_disk(card_folder) == left
    assert send(card, "00200080")[1] == f"63C{left}"
    assert not card.faults
    with pytest.raises(FaultError, match="0 to 3"):
        card.faults.add(Tries(4))


def test_faults_for_few_commands_come_before_standing_ones(card: VirtualCard) -> None:
    card.faults.add(Mute())
    card.faults.add(Status(word=0x6A80))
    card.faults.add(Pulled())
    assert [fault.kind for fault in card.faults] == ["status", "pulled", "mute"]
    with pytest.raises(NoAnswerError, match="pulled"):
        send(card, CHUID)
    assert [fault.kind for fault in card.faults] == ["status", "mute"]


def test_the_earlier_of_two_faults_has_the_command(card: VirtualCard) -> None:
    card.faults.add(Status(word=0x6A80))
    card.faults.add(Status(word=0x6982))
    assert [send(card, CHUID)[1] for _ in range(3)] == ["6A80", "6982", "9000"]


def test_several_faults_act_together(card: VirtualCard) -> None:
    card.faults.add(Slow(command=10))
    card.faults.add(Certificate(Wrong.CORRUPT))
    card.faults.add(Truncated(missing=3))
    reply = card.respond(bytes.fromhex(CERTIFICATE))
    assert reply.seconds == pytest.approx(0.01)
    assert set(card.faults.acted) == {"slow", "truncated", "certificate"}


def test_a_standing_fault_takes_the_place_of_one_of_its_kind(card: VirtualCard) -> None:
    card.faults.add(Slow.like("contact"))
    card.faults.add(Slow.like("worn"))
    card.faults.add(Certificate(Wrong.CORRUPT, KeyReference.AUTHENTICATION))
    card.faults.add(Certificate(Wrong.EXPIRED, KeyReference.SIGNATURE))
    assert [fault.kind for fault in card.faults] == ["slow", "certificate", "certificate"]


def test_whoever_shows_faults_is_told(card: VirtualCard) -> None:
    told: list[list[str]] = []
    card.faults.on_change = lambda: told.append([fault.kind for fault in card.faults])
    card.faults.add(Status())
    send(card, CHUID)
    card.faults.add(Mute())
    card.faults.clear()
    assert told == [["status"], [], ["mute"], []]


def test_faults_stay_with_the_card_when_it_goes_in_again(card_folder: Path) -> None:
    first = VirtualCard.open(card_folder)
    first.faults.add(Mute())
    again = VirtualCard(Card.open(card_folder), first.faults)
    with again, pytest.raises(NoAnswerError):
        send(again, SELECT_PIV)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_again(kind: str) -> None:
    fault = KINDS[kind]()
    written = as_json(fault)
    assert parse_fault(kind, written["values"]) == fault
    assert str(written["says"]).startswith(fault.explanation)


@pytest.mark.parametrize(
    ("kind", "values", "fault"),
    [
        ("slow", {"preset": "contact"}, Slow(20, 600)),
        ("slow", {"command": "5"}, Slow(command=5)),
        (
            "status",
            {"word": "6581", "instruction": "verify", "nth": "2"},
            Status(word=0x6581, nth=2, instruction=Instruction.VERIFY),
        ),
        ("certificate", {"wrong": "other-ca", "key": "9c"}, Certificate(Wrong.OTHER_CA, KeyReference.SIGNATURE)),
        ("atr", {"answer": "3B 00"}, WrongAtr(bytes.fromhex("3B00"))),
        ("truncated", {"status": "false"}, Truncated(status=False)),
        ("pulled", {"instruction": "20"}, Pulled(instruction=Instruction.VERIFY)),
    ],
)
def test_faults_in_words(kind: str, values: dict[str, str], fault: Fault) -> None:
    assert parse_fault(kind, values) == fault


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        ("fly", {}, "there are: pulled, mute"),
        ("slow", {"preset": "snail"}, "contact"),
        ("slow", {"speed": "1"}, "it has: command, signature"),
        ("slow", {"command": "fast"}, "something like 20"),
        ("slow", {"command": "-1"}, "0 to"),
        ("status", {"word": "0000"}, "6000 to 9FFF"),
        ("status", {"nth": "0"}, "count from 1"),
        ("status", {"instruction": "fly"}, "one of any, VERIFY"),
        ("certificate", {"wrong": "odd"}, "one of corrupt"),
        ("atr", {"answer": ""}, "1 to 33"),
        ("oversized", {"extra": "99999"}, "1 to"),
        ("truncated", {"missing": "0"}, "At least one"),
    ],
)
def test_what_is_no_fault_gets_a_sentence(kind: str, values: dict[str, str], says: str) -> None:
    with pytest.raises(FaultError, match=says):
        parse_fault(kind, values)


def test_the_catalogue_has_every_kind_with_its_fields() -> None:
    kinds = {entry["kind"]: entry for entry in catalogue()}
    assert set(kinds) == set(KINDS)
    assert [field["name"] for field in kinds["certificate"]["fields"]] == ["wrong", "key"]


def test_a_card_without_that_certificate(card: VirtualCard, card_folder: Path) -> None:
    (card_folder / "9C.cert.pem").unlink()
    bare = VirtualCard.open(card_folder)
    with pytest.raises(FaultError, match="no certificate of key 9C"):
        bare.faults.add(Certificate(Wrong.EXPIRED, KeyReference.SIGNATURE))
