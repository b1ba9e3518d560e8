"""The PIV card as the agent uses it: the exact commands, the passcode, the certificate."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from support.agent import fails
from support.emulator import UID, self_signed
from support.scripted_card import (
    CARD,
    MESSAGE,
    NOW,
    SUCCESS,
    BrokenCard,
    KeepingLink,
    OneCardReader,
    ScriptedCard,
    card_certificate,
    certificate_object,
    read_card,
    step_of,
    tlv,
    use_card,
)

from agent import (
    ALGORITHMS,
    CARD_OPERATION_SECONDS,
    AgentError,
    CardFacts,
    Certificate,
    Digest,
    Fault,
    Passcode,
    PivCard,
    WrongPasscode,
    signature_block,
)

BLOCK = signature_block(MESSAGE, Digest.SHA256, ALGORITHMS["rsa 2048"])


def test_the_commands_of_a_whole_sign_in() -> None:
    """Known answers: SP 800-73-4 part 2, sections 3.1.1, 3.2.1, 3.1.2, 3.2.4, appendix A.4."""
    certificate = certificate_object(card_certificate()) + SUCCESS
    signed = tlv(0x7C, tlv(0x82, b"\x5a" * 256)) + SUCCESS
    card = ScriptedCard(
        "9000", "6A82", "63C3", certificate, "9000", "9000", "9000", signed
    )  # fmt: skip
    assert use_card(card) == b"\x5a" * 256
    assert [apdu.hex().upper() for apdu in card.sent[:7]] == [
        "00A404000BA00000030800001000010000",
        "00CB3FFF035C017E00",
        "00200080",
        "00CB3FFF055C035FC10500",
        "00A404000BA00000030800001000010000",
        "0020008008313233343536FFFF",
        "1087079AFF" + "7C820106" + "8200" + "81820100" + BLOCK[: 255 - 10].hex().upper(),
    ]
    assert card.sent[7] == bytes.fromhex("0087079A0B") + BLOCK[-11:] + bytes(1)


@pytest.mark.parametrize(("answer", "left"), [("63C3", 3), ("63C1", 1), ("9000", None), ("6A88", None), ("6D00", None)])
def test_tries_left_are_asked_without_spending_one(answer: str, left: int | None) -> None:
    card = BrokenCard(tries=answer)
    assert read_card(OneCardReader(card), CARD, NOW).tries_left == left


PREFERS_GLOBAL = "7E124F0BA0000003080000100001005F2F026020"


@pytest.mark.parametrize(
    ("discovery", "reference"),
    [
        (PREFERS_GLOBAL, 0x00),
        (PREFERS_GLOBAL.replace("6020", "6010"), 0x80),
        (PREFERS_GLOBAL.replace("6020", "4010"), 0x80),
        (PREFERS_GLOBAL.replace("6020", "4020"), 0x80),  # has no global passcode, whatever it prefers
        ("7E0F4F0BA000000308000010000100" + "5F2F00", 0x80),
        ("7E125F2F", 0x80),
        ("", 0x80),
    ],
)
def test_the_passcode_goes_where_the_discovery_object_says(discovery: str, reference: int) -> None:
    """SP 800-73-4 part 1, section 3.3.2: the PIN usage policy, 5F2F."""
    card = BrokenCard(discovery=discovery + "9000")
    use_card(card)
    assert [apdu[3] for apdu in card.sent if apdu[1] == 0x20] == [reference, reference]


def test_a_card_is_not_asked_again_what_it_has_said() -> None:
    card = BrokenCard()
    use_card(card)
    assert [step_of(apdu) for apdu in card.sent].count("discovery") == 1
    assert [step_of(apdu) for apdu in card.sent].count("certificate") == 1


def test_an_operation_has_an_end_however_short_each_command_was() -> None:
    """One byte at a time, for ever: 61 01."""
    ticks = iter(range(1000))
    card = BrokenCard(certificate="536101", more="006101")
    piv = PivCard(card, clock=lambda: next(ticks))
    piv.select()
    with fails(Fault.CARD_MUTE):
        piv.facts()
    assert len(card.sent) <= CARD_OPERATION_SECONDS
    piv.select()  # another operation has time of its own


def test_no_copy_of_the_passcode_is_left_in_what_was_sent() -> None:
    link = KeepingLink()
    piv = PivCard(link)
    piv.select()
    certificate = piv.facts().certificate
    passcode = Passcode("918273")
    piv.sign(passcode, [MESSAGE], Digest.SHA256, certificate)
    assert bytes(5 + 8) in link.kept
    with fails(Fault.NO_PASSCODE):
        passcode.padded()


def test_a_wrong_passcode_knows_the_tries_left() -> None:
    with pytest.raises(WrongPasscode) as caught:
        use_card(BrokenCard(verify="63C1"))
    assert caught.value.tries_left == 1
    assert str(caught.value).startswith("That passcode is not right. 1 try left.")


@pytest.mark.parametrize("error_detection_code", [b"", tlv(0xFE), tlv(0x72, bytes(16))])
def test_a_certificate_object_may_leave_its_last_parts_out(error_detection_code: bytes) -> None:
    stored = tlv(0x53, tlv(0x70, card_certificate()), error_detection_code) + SUCCESS
    facts = read_card(OneCardReader(BrokenCard(certificate=stored)), CARD, NOW)
    assert facts.certificate.der == card_certificate()


@pytest.mark.parametrize(("curve", "identifier"), [(ec.SECP256R1(), 0x11), (ec.SECP384R1(), 0x14)])
def test_an_elliptic_curve_card_signs_too(curve: ec.EllipticCurve, identifier: int) -> None:
    der = self_signed(UID, ec.generate_private_key(curve)).public_bytes(Encoding.DER)
    signature = bytes(70)  # an ECDSA signature has no fixed length
    signed = tlv(0x7C, tlv(0x82, signature)) + SUCCESS
    card = ScriptedCard("9000", "6A82", "63C3", certificate_object(der) + SUCCESS, "9000", "9000", signed)
    assert use_card(card) == signature
    assert card.sent[-1].hex().startswith(f"0087{identifier:02x}9a")
    hashed = hashlib.sha256(MESSAGE).digest()
    assert card.sent[-1].endswith(tlv(0x7C, tlv(0x82), tlv(0x81, hashed)) + b"\0")


def test_what_a_certificate_says() -> None:
    certificate = Certificate.parse(card_certificate())
    assert certificate.uid == UID
    assert certificate.algorithm.name == "RSA 2048"
    assert card_certificate().hex() not in repr(certificate)


def test_dates_at_their_boundaries() -> None:
    certificate = Certificate.parse(card_certificate())
    second = timedelta(seconds=1)
    facts = CardFacts(certificate, 3)
    facts.check(certificate.not_before)
    facts.check(certificate.not_after)
    with fails(Fault.NOT_YET_VALID):
        facts.check(certificate.not_before - second)
    with fails(Fault.CARD_EXPIRED):
        facts.check(certificate.not_after + second)
    assert certificate.days_left(certificate.not_after - timedelta(days=14)) == 14


# The passcode


@pytest.mark.parametrize("digits", ["1234", "123456", "12345678"])
def test_a_passcode_is_padded_to_eight_bytes(digits: str) -> None:
    assert Passcode(digits).padded() == digits.encode().ljust(8, b"\xff")


@pytest.mark.parametrize(
    "text", ["", "123", "12345a", "123456789", "12345\uff16", "12\x003456", "1234\n", "é", "\x7f", "\ud800"]
)
def test_what_cannot_be_a_passcode_is_refused_unsaid(text: str) -> None:
    with fails(Fault.NO_PASSCODE) as caught:
        Passcode(text)
    said = f"{caught.value} {caught.value!r} {caught.value.technical}"
    assert not text or text not in said


def test_a_passcode_never_shows_itself() -> None:
    passcode = Passcode("918273")
    for text in (repr(passcode), str(passcode), f"{passcode}", f"{[passcode]}"):
        assert "918273" not in text


def test_a_forgotten_passcode_is_not_sent() -> None:
    passcode = Passcode("918273")
    passcode.forget()
    card = ScriptedCard("9000", "6A82", "63C3", certificate_object(card_certificate()) + SUCCESS)
    piv = PivCard(card)
    piv.select()
    certificate = piv.facts().certificate
    with fails(Fault.NO_PASSCODE):
        piv.sign(passcode, [b"challenge"], Digest.SHA256, certificate)
    assert len(card.sent) == 4
    assert b"918273" not in b"".join(bytes(v) for v in vars(passcode).values())


@pytest.mark.parametrize(
    "status", [SUCCESS, bytes.fromhex("63C1"), bytes.fromhex("6983"), bytes.fromhex("6A80")], ids=bytes.hex
)
@pytest.mark.parametrize("method", ["change_passcode", "unblock"])
def test_no_copy_of_two_passcodes_is_left_whatever_the_card_says(method: str, status: bytes) -> None:
    link = KeepingLink(replace=status)
    piv = PivCard(link)
    piv.select()
    passcodes = Passcode("918273"), Passcode("645546")
    with contextlib.suppress(AgentError):
        getattr(piv, method)(*passcodes)
    assert bytes(5 + 16) in link.kept
    assert piv.passcode_shown
    for passcode in passcodes:
        with fails(Fault.NO_PASSCODE):
            passcode.padded()
