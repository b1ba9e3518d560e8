"""Random and mutated APDUs and frames: whatever comes in, the card answers, and nothing it guards moves.

LANYARD_FUZZ_CASES says how many; `tox -e fuzz` asks for 1,000,000.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.emulator import make_card, write_settings

from emulator import Card, VirtualCard
from emulator.apdu import parse_apdu
from emulator.status import StatusError, StatusWord
from emulator.vpcd import FrameDecoder

CASES = int(os.environ.get("LANYARD_FUZZ_CASES", "4000"))
SECRET = {"passcode": "73619482", "unblocking_code": "60718293", "management_key": "C4" * 24}
SELECT = bytes.fromhex("00A4040005A000000308")
FACTORY_RESET = b"\xfb"
SEEDS = [
    bytes.fromhex(apdu)
    for apdu in (
        "00A4040005A00000030800",
        "00CB3FFF055C035FC10500",
        "00CB3FFF0000055C035FC1050000",
        "00C0000000",
        "00200080",
        "0020008008303030303030FFFF",
        "0024008010303030303030FFFF313131313131FFFF",
        "002C008010303030303030FFFF313131313131FFFF",
        "0087079B047C02800000",
        "0087039B047C02810000",
        "0087039B0C7C0A8208000000000000000000",
        "0087119E0E7C0C820081080102030405060708",
        "1087079AFF" + "7C8201068200818201 00".replace(" ", "") + "00" * 245,
        "0087079A0B" + "00" * 11,
        "0047009A05AC0380010700",
        "00DB3FFF095C035FC1055302AABB",
        "10DB3FFF055C035FC105",
        "00F7009A00",
        "00FD000000",
        "00FB0000",
        "00FA0505",
        "00FE119A220120" + "11" * 32,
        "00FFFFFF1B039B18" + "00" * 24,
        "00F69A82",
    )
]


def repeatable(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def cases(count: int, chance: random.Random) -> Iterator[bytes]:
    """Yield APDUs: some as programs send them, most changed a little or a lot, some of mere chance."""
    for _ in range(count):
        raw = bytearray(chance.choice(SEEDS))
        kind = chance.random()
        if kind < 0.1:
            raw = bytearray(chance.randbytes(chance.choice((0, 1, 3, 4, 5, 6, 7, 20, 261, 300))))
        elif kind < 0.9:
            for _ in range(chance.randint(1, 3)):
                change(raw, chance)
        yield bytes(raw)


def change(raw: bytearray, chance: random.Random) -> None:
    """Change one byte, or cut, lengthen or double a piece."""
    at = chance.randrange(len(raw) + 1)
    match chance.randrange(6):
        case 0 | 1 | 2 if at < len(raw):
            raw[at] = chance.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0xFF, chance.randrange(256)))
        case 3:
            del raw[at : at + chance.randint(1, 4)]
        case 4:
            raw[at:at] = chance.randbytes(chance.randint(1, 4))
        case _:
            raw += raw[at:]


def check_answer(answer: bytes, raw: bytes) -> None:
    """Check that an answer is data and status word, and that no exception was behind it."""
    assert len(answer) >= 2, raw.hex()
    word = int.from_bytes(answer[-2:], "big")
    assert word != StatusWord.INTERNAL_ERROR, raw.hex()
    assert word >> 12 in (6, 9), raw.hex()
    if word not in (0x9000,) and word >> 8 != 0x61:
        assert len(answer) == 2, raw.hex()


def locked_out_card(folder: Path) -> VirtualCard:
    """Return a card none of whose codes is ever sent, with all its tries."""
    write_settings(folder, **SECRET, tries=15, tries_left=15, unblocking_tries=15, unblocking_tries_left=15)
    card = VirtualCard(Card.open(folder))
    card.transmit(SELECT)
    return card


def guarded(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "card.json"}


def test_nobody_gets_in_without_a_code(tmp_path: Path) -> None:
    """Tries never rise, nothing is verified, no key and no object changes.

    Yubico's RESET is left out: it makes a blank card of one whose codes are both locked.
    """
    folder = make_card(tmp_path / "cards" / "fuzzed")
    before = guarded(folder)
    chance = repeatable(CASES)
    card = locked_out_card(folder)
    left = card.card.passcode.tries_left
    for number, raw in enumerate(cases(CASES, chance), 1):
        if number % 5000 == 0:
            assert guarded(folder) == before
            card = locked_out_card(folder)
            left = card.card.passcode.tries_left
        elif number % 50 == 0:
            card.power_on()
            card.transmit(SELECT)
        if raw[1:2] == FACTORY_RESET:
            continue
        check_answer(card.transmit(raw), raw)
        assert not card.state.passcode_verified, raw.hex()
        assert not card.state.managed, raw.hex()
        assert card.card.passcode.tries_left <= left, raw.hex()
        left = card.card.passcode.tries_left
    assert guarded(folder) == before
    assert Card.open(folder).passcode.tries_left == left


def test_memory_stays_flat(tmp_path: Path) -> None:
    """The second half of the cases leaves no more objects behind than the first did."""
    card = locked_out_card(make_card(tmp_path / "cards" / "fuzzed"))
    chance = repeatable(1)

    def objects_after(count: int) -> int:
        for raw in cases(count, chance):
            if raw[1:2] not in (b"\x20", b"\x24", b"\x2c"):  # a try is a write to the disk: above
                card.transmit(raw)
        card.power_on()
        gc.collect()
        return len(gc.get_objects())

    first = objects_after(CASES // 2)
    assert objects_after(CASES // 2) < first + 300


def test_frames_in_any_pieces() -> None:
    """The decoder gives back what was framed, whatever the pieces; APDUs parse or are refused."""
    chance = repeatable(2)
    payloads = list(cases(CASES // 4, chance))
    stream = b"".join(len(payload).to_bytes(2, "big") + payload for payload in payloads)
    decoder, found, at = FrameDecoder(), [], 0
    while at < len(stream):
        size = chance.choice((1, 2, 3, 7, 50, 400))
        found += decoder.feed(stream[at : at + size])
        at += size
    decoder.end()
    assert found == payloads
    for payload in payloads:
        with contextlib.suppress(StatusError):
            assert parse_apdu(payload).ne <= 0x10000


class PasscodeMachine(RuleBasedStateMachine):
    """A model of the passcode: what the card says of it must be what the model says, in any order."""

    folder: Path

    @initialize()
    def insert(self) -> None:
        write_settings(self.folder)
        self.card = VirtualCard(Card.open(self.folder))
        self.card.transmit(SELECT)
        self.passcode, self.left, self.verified = "123456", 3, False

    def send(self, header: str, *codes: str) -> str:
        data = b"".join(code.encode().ljust(8, b"\xff") for code in codes)
        answer = self.card.transmit(bytes.fromhex(header) + bytes((len(data),)) + data)
        check_answer(answer, data)
        return answer[-2:].hex().upper()

    def refusal(self, had: int) -> str:
        """A wrong code: 63CX, the last try too; with no try before it 6983."""
        return f"63C{self.left}" if had else "6983"

    @rule(code=st.sampled_from(["123456", "654321", "000000"]))
    def verify(self, code: str) -> None:
        had, right = self.left, self.left > 0 and code == self.passcode
        self.left, self.verified = (3 if right else max(0, had - 1)), right
        assert self.send("00200080", code) == ("9000" if right else self.refusal(had))

    @rule(code=st.sampled_from(["123456", "654321"]), new=st.sampled_from(["123456", "654321", "12345"]))
    def change(self, code: str, new: str) -> None:
        if self.left and len(new) < 6:
            assert self.send("00240080", code, new) == "6A80"
            return
        had, right = self.left, self.left > 0 and code == self.passcode
        self.left = 3 if right else max(0, had - 1)
        was, self.verified = self.verified, right
        word = self.send("00240080", code, new)
        assert word == ("9000" if right else self.refusal(had))
        if right:
            self.passcode = new
        elif self.left == 0 and was:
            self.verified = self.card.state.passcode_verified

    @rule(new=st.sampled_from(["123456", "654321"]))
    def unblock(self, new: str) -> None:
        assert self.send("002C0080", "12345678", new) == "9000"
        self.passcode, self.left = new, 3

    @rule()
    def power_cut(self) -> None:
        self.card = VirtualCard(Card.open(self.folder))
        self.card.transmit(SELECT)
        self.verified = False

    @rule(raw=st.sampled_from(SEEDS[1:5]))
    def something_else(self, raw: bytes) -> None:
        check_answer(self.card.transmit(raw), raw)

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "card"):
            assert self.card.card.passcode.tries_left == self.left
            assert not (self.card.state.passcode_verified and not self.verified)


@pytest.mark.parametrize("examples", [max(20, CASES // 1000)])
def test_the_passcode_as_a_model_says(examples: int, tmp_path: Path) -> None:
    folder = make_card(tmp_path / "cards" / "modelled")
    machine = type("Machine", (PasscodeMachine,), {"folder": folder})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=20, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )
