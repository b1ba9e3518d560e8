"""Cards that say what a test likes, for answers that no real or virtual card gives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding

import agent
from agent import CardFacts, CardIn, CardLink, CardSource, Digest, IdentityCard
from support.emulator import PASSCODE, UID, card_keys, self_signed

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CARD = CardIn("a reader", b"\x3b\x00")
MESSAGE = b"a challenge"
SUCCESS = b"\x90\x00"
Answer = str | bytes | Exception


def octets(answer: str | bytes) -> bytes:
    return bytes.fromhex(answer) if isinstance(answer, str) else answer


class ScriptedCard:
    """Gives these answers in order, raises those that are errors, and keeps what was sent."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []

    def transmit(self, apdu: bytes) -> bytes:
        self.sent.append(bytes(apdu))
        assert self._answers, f"nobody expected {apdu.hex()}"
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return octets(answer)


def tlv(tag: int, *values: bytes) -> bytes:
    return agent.encode_tlv(tag, b"".join(values))


def card_certificate() -> bytes:
    """The DER certificate of a good card's key 9A."""
    return self_signed(UID, card_keys()["9A"]).public_bytes(Encoding.DER)


def certificate_object(der: bytes, information: int = 0) -> bytes:
    """A certificate as it lies on a card: 53 { 70, 71, FE }, SP 800-73-4 part 1, table 10."""
    return tlv(0x53, tlv(0x70, der), tlv(0x71, bytes([information])), tlv(0xFE))


def step_of(apdu: bytes) -> str:
    """Which step of a sign-in a command belongs to."""
    names = {0xA4: "select", 0xCB: "certificate", 0x87: "sign", 0xC0: "more", 0x24: "replace", 0x2C: "replace"}
    if apdu[1] == 0xCB and apdu[5:8] == b"\x5c\x01\x7e":
        return "discovery"
    if apdu[1] == 0x20:
        return "verify" if len(apdu) > 5 else "tries"
    if apdu[0] == 0x10:
        return "chained"
    return names[apdu[1]]


class BrokenCard:
    """A good card, but for the steps that a test names; a list is used up and its last repeated."""

    def __init__(self, **wrong: Answer | list[Answer]) -> None:
        right: dict[str, Answer] = {
            "select": tlv(0x61, tlv(0x4F, agent.PIV_AID)) + SUCCESS,
            "discovery": "6A82",
            "tries": "63C3",
            "certificate": certificate_object(card_certificate()) + SUCCESS,
            "verify": SUCCESS,
            "replace": SUCCESS,
            "chained": SUCCESS,
            "sign": tlv(0x7C, tlv(0x82, bytes(256))) + SUCCESS,
            "more": "6A88",
        }
        self._answers: Mapping[str, Answer | list[Answer]] = {**right, **wrong}
        self.sent: list[bytes] = []

    def transmit(self, apdu: bytes) -> bytes:
        self.sent.append(bytes(apdu))
        answer = self._answers[step_of(apdu)]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return octets(answer)


class KeepingLink(BrokenCard):
    """A good card, and the very buffers that were sent to it."""

    def __init__(self, **wrong: Answer | list[Answer]) -> None:
        super().__init__(**wrong)
        self.kept: list[bytes] = []

    def transmit(self, apdu: bytes) -> bytes:
        self.kept.append(apdu)
        return super().transmit(apdu)


class OneCardReader:
    """A reader with one card in it, for as long as the test lasts."""

    def __init__(self, link: CardLink) -> None:
        self._piv = agent.PivCard(link)
        self.resets = 0

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        try:
            self._piv.select()
            yield self._piv
        finally:
            self.resets += self._piv.passcode_shown

    def watch(self, report: agent.Report) -> None:
        report(CARD)

    def close(self) -> None:
        pass


def read_card(source: CardSource, card: CardIn, now: datetime) -> CardFacts:
    """All that the agent asks before a passcode is typed."""
    with source.open(card) as identity:
        facts = identity.facts()
    facts.check(now)
    return facts


def use_card(link: CardLink, passcode: str = PASSCODE, now: datetime = NOW) -> bytes:
    """All that the agent asks of a card in one sign-in; the signature over MESSAGE."""
    reader = OneCardReader(link)
    certificate = read_card(reader, CARD, now).certificate
    with reader.open(CARD) as identity:
        return identity.sign(agent.Passcode(passcode), [MESSAGE], Digest.SHA256, certificate)[0]
