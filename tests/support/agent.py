"""What tests need to stand around the agent: cards that say what they like, a card slot, a person.

Fixtures: `slot` (a real virtual card in the agent's embedded reader), `person` (somebody who signs
in with that slot at the broker of `spine`, in process).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import agent
from agent import Bridge, Broker, CardIn, CardLink, Conductor, Digest, EmbeddedReader, State
from emulator import Card, VirtualCard
from emulator.reader import Address, Reader
from support.emulator import PASSCODE, UID, card_keys, self_signed
from support.spine import Spine

T = TypeVar("T")

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CARD = CardIn("a reader", b"\x3b\x00")
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
        self.sent.append(apdu)
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
    names = {0xA4: "select", 0xCB: "certificate", 0x87: "sign", 0xC0: "more"}
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
            "tries": "63C3",
            "certificate": certificate_object(card_certificate()) + SUCCESS,
            "verify": SUCCESS,
            "chained": SUCCESS,
            "sign": tlv(0x7C, tlv(0x82, bytes(256))) + SUCCESS,
            "more": "6A88",
        }
        self._answers: Mapping[str, Answer | list[Answer]] = {**right, **wrong}

    def transmit(self, apdu: bytes) -> bytes:
        answer = self._answers[step_of(apdu)]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return octets(answer)


class OneCardReader:
    """A reader with one card in it, for as long as the test lasts."""

    def __init__(self, link: CardLink) -> None:
        self.link = link
        self.resets = 0

    @contextlib.contextmanager
    def transaction(self, card: CardIn, *, reset: bool) -> Iterator[CardLink]:
        try:
            yield self.link
        finally:
            self.resets += reset

    def watch(self, report: agent.Report) -> None:
        report(CARD)

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass


def use_card(link: CardLink, passcode: str = PASSCODE, now: datetime = NOW) -> bytes:
    """All that the agent asks of a card in one sign-in; the signature over a block of zeros."""
    algorithm = agent.read_card(OneCardReader(link), CARD, now).certificate.algorithm
    piv = agent.PivCard(link)
    piv.verify(agent.Passcode(passcode))
    return piv.sign(bytes(algorithm.key_bytes), algorithm)


class Slot:
    """Puts the emulator's cards into a reader, in a thread with an event loop of its own."""

    def __init__(self, data: Path, address: str) -> None:
        self._data = data
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._reader = Reader(Address.parse(address))

    def insert(self, name: str) -> None:
        card = VirtualCard(Card.open(self._data / "cards" / name))
        self._run(self._reader.insert(card))

    def pull(self) -> None:
        self._run(self._reader.remove())

    def close(self) -> None:
        self.pull()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class Person:
    """Somebody in front of the agent, and the thread that a window or a terminal would be."""

    def __init__(
        self, reader: agent.Reader, new_broker: Callable[[], Broker], digest: Digest = Digest.SHA256
    ) -> None:
        self.bridge = Bridge()
        self.conductor = Conductor(reader, new_broker, self.bridge, digest)
        self.states = [self.conductor.state]
        self.conductor.on_change = lambda before: self.states.append(self.conductor.state)
        self.conductor.start()

    @property
    def state(self) -> State:
        return self.conductor.state

    @property
    def attempt(self) -> agent.Attempt:
        assert self.conductor.attempt
        return self.conductor.attempt

    @property
    def session(self) -> agent.Session:
        assert self.attempt.session
        return self.attempt.session

    def sees(self, *states: State, deadline: float = 10) -> State:
        """Wait for one of these states; return it."""
        return self.waits(lambda: self.state in states and self.state, f"{states}", deadline)

    def waits(self, condition: Callable[[], T], what: str, deadline: float = 10) -> T:
        """Do what a face does, handle what the workers report, until the condition holds."""
        ends = time.monotonic() + deadline
        while not (value := condition()):
            left = ends - time.monotonic()
            if left <= 0 or not self.bridge.wait(left):
                problem = self.conductor.problem
                pytest.fail(f"no {what}, but {self.state} {problem!r} after {self.states}")
        return value

    def types(self, passcode: str = PASSCODE) -> None:
        """Wait until a passcode is asked for, and type it."""
        self.sees(State.PASSCODE, State.LAST_TRY)
        self.conductor.type_passcode(passcode)

    def problem(self) -> agent.AgentError:
        """Wait for the sentence of a problem."""
        self.sees(State.PROBLEM)
        assert self.conductor.problem
        return self.conductor.problem

    def close(self) -> None:
        self.conductor.close()
        self.bridge.close()


@pytest.fixture
def reader() -> Iterator[EmbeddedReader]:
    """The agent's embedded reader, on any free port."""
    reader = EmbeddedReader(0)
    yield reader
    reader.close()


@pytest.fixture
def slot(data: Path, reader: EmbeddedReader) -> Iterator[Slot]:
    """The way to put cards into that reader."""
    slot = Slot(data, reader.address)
    yield slot
    slot.close()


@pytest.fixture
def person(spine: Spine, reader: EmbeddedReader, slot: Slot) -> Iterator[Person]:
    """Somebody at that reader, who signs in at the broker `spine`."""
    person = Person(reader, lambda: Broker(spine.url, spine.ca_file))
    yield person
    person.close()
