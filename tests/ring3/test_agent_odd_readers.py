"""Readers and cards that are odd but real, through a real pcscd: the agent signs in, or says in a sentence why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, Slot
from support.machine import need, wait_until
from support.reader import VPCD_NAME, Pcscd, vpcd_has_a_card
from support.spine import Spine

import agent
from agent import Broker, Cue, PcscReader, State, put_card_in
from emulator import VirtualCard
from emulator.faults import Mute
from emulator.testing import VpcdSlot
from emulator.virtual_card import Reply


@pytest.fixture(autouse=True)
def empty_reader(pcscd: Pcscd) -> None:
    """Wait until pcscd has seen that the last test's card is gone."""
    wait_until(lambda: not vpcd_has_a_card(pcscd.vpcd), what="an empty reader")


@pytest.fixture
def slot(data: Path, pcscd: Pcscd) -> Iterator[Slot]:
    slot = Slot(data, pcscd.vpcd)
    yield slot
    slot.close()


@pytest.fixture
def person(spine: Spine, slot: Slot, pcscd: Pcscd) -> Iterator[Person]:
    person = Person(PcscReader(), lambda: Broker(spine.url, spine.ca_file))
    yield person
    person.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a card as long as a test does."""
    monkeypatch.setattr(agent, "CARD_BUSY_SECONDS", 1)
    monkeypatch.setattr(agent, "CARD_ANSWER_SECONDS", 3)


def sign_in(spine: Spine, slot: Slot) -> Person:
    """Put a card in, and somebody in front of it who signs in."""
    person = Person(PcscReader(), lambda: Broker(spine.url, spine.ca_file))
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)
    person.close()
    return person


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_reader_whose_name_is_not_ascii(encoding: str, pcscd: Pcscd, slot: Slot, spine: Spine) -> None:
    name = f"{VPCD_NAME} \xe9".encode(encoding)
    with pcscd.with_name(name):
        sign_in(spine, slot)


def test_sixteen_readers(pcscd: Pcscd, slot: Slot, spine: Spine) -> None:
    """The most that pcscd 1.9 has; the states of 17 it refuses to watch."""
    with pcscd.with_empty_readers(14):
        wait_until(lambda: len(pcscd.readers) == 16, what="16 readers")
        sign_in(spine, slot)


# Another program


class OtherProgram:
    """Holds the card in vpcd's first reader until it lets go."""

    def __init__(self, slot: Slot, exclusive: bool) -> None:
        need("smartcard")
        from smartcard import scard

        self._scard: Any = scard
        self._mode = scard.SCARD_SHARE_EXCLUSIVE if exclusive else scard.SCARD_SHARE_SHARED
        _, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        slot.insert("one-role")
        card = wait_until(self._connected, what="a connected card")
        if not exclusive:
            assert scard.SCardBeginTransaction(card) == scard.SCARD_S_SUCCESS

    def _connected(self) -> Any:
        reader = f"{VPCD_NAME} 00 00"
        result, card, _ = self._scard.SCardConnect(self._context, reader, self._mode, self._scard.SCARD_PROTOCOL_T1)
        return card if result == self._scard.SCARD_S_SUCCESS else None

    def let_go(self) -> None:
        self._scard.SCardReleaseContext(self._context)


@pytest.mark.parametrize("exclusive", [False, True], ids=["a transaction", "an exclusive connection"])
def test_another_program_that_does_not_let_go(exclusive: bool, slot: Slot, spine: Spine) -> None:
    other = OtherProgram(slot, exclusive)
    person = Person(PcscReader(), lambda: Broker(spine.url, spine.ca_file))
    assert person.problem().fault is agent.Fault.CARD_BUSY
    other.let_go()
    person.conductor.handle(Cue.DISMISSED)
    person.types()
    person.sees(State.SIGNED_IN)
    person.close()


# The card


class CardOfT0(VirtualCard):
    """Answers T=0 commands: no Le behind data, 6700 otherwise, and all that it says waits for GET RESPONSE."""

    atr = bytes.fromhex("3B6500002063CBBD80")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting = b""

    def respond(self, raw: bytes) -> Reply:
        if raw[1] == 0xC0:
            return self._get_response(raw[4] or 256)
        if len(raw) > 5 and len(raw) != 5 + raw[4]:
            return Reply(b"\x67\x00")
        answer = self._whole_answer(raw[:4] if raw[1:5] == bytes.fromhex("20008000") else raw)
        self._waiting = answer[:-2]
        return Reply(self._announced() if self._waiting else answer)

    def _whole_answer(self, raw: bytes) -> bytes:
        answer = super().respond(raw).data or b""
        while answer[-2:-1] == b"\x61":
            answer = answer[:-2] + (super().respond(bytes([0, 0xC0, 0, 0, answer[-1]])).data or b"")
        return answer

    def _get_response(self, length: int) -> Reply:
        part, self._waiting = self._waiting[:length], self._waiting[length:]
        return Reply(part + (self._announced() if self._waiting else b"\x90\x00"))

    def _announced(self) -> bytes:
        return bytes([0x61, min(len(self._waiting), 256) % 256])


def test_a_card_of_t_0(person: Person, data: Path, pcscd: Pcscd) -> None:
    slot = VpcdSlot(pcscd.vpcd)
    slot.insert(CardOfT0.open(data / "cards" / "one-role"))
    person.types()
    person.sees(State.SIGNED_IN)
    slot.close()


def test_a_card_that_is_mute(person: Person, slot: Slot) -> None:
    slot.insert("one-role")
    person.sees(State.PASSCODE)
    slot.card.faults.add(Mute())
    person.conductor.type_passcode("123456")
    problem = person.problem()
    assert problem.fault is agent.Fault.CARD_MUTE
    assert problem.says == "The card was given up, because it has not answered for 3 seconds."
    assert "Check that the chip is clean" in problem.advice
    slot.pull()
    person.sees(State.WAITING)
    slot.insert("one-role")
    person.types()
    person.sees(State.SIGNED_IN)


class DeafCard(VirtualCard):
    """Takes no passcode, as many a card where it is only held on the reader."""

    def respond(self, raw: bytes) -> Reply:
        return Reply(b"\x69\x82") if raw[1] == 0x20 and len(raw) > 5 else super().respond(raw)


def test_a_contactless_reader(pcscd: Pcscd, spine: Spine, data: Path) -> None:
    """A card is held on it, and one that answers badly then is sent to another kind of reader."""
    with pcscd.with_name(b"Virtual PiCC"):
        person = Person(PcscReader(), lambda: Broker(spine.url, spine.ca_file))
        person.waits(lambda: person.conductor.readers, "readers")
        assert put_card_in(person.conductor) == "Hold your card on the reader"
        slot = VpcdSlot(pcscd.vpcd)
        slot.insert(VirtualCard.open(data / "cards" / "one-role"))
        person.types()
        person.sees(State.SIGNED_IN)
        slot.insert(DeafCard.open(data / "cards" / "three-roles"))
        person.sees(State.PASSCODE)
        person.types()
        problem = person.problem()
        assert problem.fault is agent.Fault.CARD_NONSENSE
        assert "Put it into a reader that takes the whole card" in problem.advice
        person.close()
        slot.close()
