"""Random and mutated APDUs and frames: whatever comes in, the card answers, and nothing it guards moves.

FUZZ_CARD_CASES says how many; `tox -e fuzz` asks for 1,000,000. Each property says how many it takes.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import random
import shutil
import statistics
import sys
from collections.abc import Iterator
from itertools import count, islice, pairwise
from pathlib import Path

import pytest
from support.emulator import make_card
from support.fuzzing import SEEDS, LockedOutCard, cases, change, check_answer, check_frames, repeatable, rsa_import

from emulator import Card, VirtualCard
from emulator.keys import key_pairs
from emulator.reader.vpcd import encode_frame

CASES = int(os.environ.get("FUZZ_CARD_CASES", "4000"))
BATCH = 1000
STRETCHES = 16
LIBC = ctypes.CDLL(None)


def test_nobody_gets_in_without_a_code(locked_out: LockedOutCard) -> None:
    """Tries never rise, nothing is verified, no key and no object changes."""
    apdus = cases(repeatable(CASES))
    while locked_out.sent < CASES:
        locked_out.insert()
        for number, raw in enumerate(islice(apdus, BATCH)):
            if number % 50 == 0:
                locked_out.power_on()
            locked_out.send(raw)


def test_frames_in_any_pieces(locked_out: LockedOutCard) -> None:
    """The card gets what was framed, whatever the pieces, and takes every other stream with changes in it."""
    chance = repeatable(2)
    for number in count():
        payloads = list(islice(cases(chance), BATCH))
        stream = bytearray(b"".join(map(encode_frame, payloads)))
        if number % 2:
            change(stream, chance)
        found = check_frames(bytes(stream), list(in_pieces(bytes(stream), chance)))
        assert number % 2 or found == payloads
        locked_out.insert()
        for frame in found:
            locked_out.send_frame(frame)
        if locked_out.sent >= CASES:
            break


def test_who_holds_all_codes_leaves_a_card(cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the cases, all of them allowed: the folder then holds what the card says it holds."""
    monkeypatch.setattr(key_pairs, "generate", functools.cache(key_pairs.generate))
    apdus = cases(repeatable(3), [*SEEDS, rsa_import()])
    for _ in range(max(1, CASES // 20 // BATCH)):
        folder = make_card(cards / "opened", tries=15, tries_left=15)
        card = VirtualCard(Card.open(folder))
        for raw in islice(apdus, BATCH):
            card.state.selected = card.state.passcode_verified = card.state.managed = True
            check_answer(card.transmit(raw), raw)
        assert kept(Card.open(folder)) == kept(card.card)
        shutil.rmtree(folder)
    print(f"\n    {CASES // 20:,} APDUs were answered")


def kept(card: Card) -> tuple[object, ...]:
    keys = {name: (key.der, key.origin, key.policy) for name, key in card.keys.items()}
    codes = [(code.value, code.tries, code.tries_left) for code in (card.file.passcode, card.file.unblocking_code)]
    return card.objects, keys, codes, card.file.management_key


def in_pieces(stream: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(stream):
        size = chance.choice((1, 2, 3, 7, 50, 400))
        yield stream[at : at + size]
        at += size


class InUse(ctypes.Structure):
    """What malloc has given away: mallinfo2(3), all fields size_t."""

    NAMES = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    _fields_ = tuple((name, ctypes.c_size_t) for name in NAMES)


def test_memory_stays_flat(locked_out: LockedOutCard) -> None:
    """Once warm, no stretch of the cases leaves more behind than the one before: neither objects nor bytes."""
    if not hasattr(LIBC, "mallinfo2"):
        pytest.skip("needs glibc 2.33 or later")
    apdus = cases(repeatable(1))
    points = [after(locked_out, islice(apdus, CASES // STRETCHES)) for _ in range(STRETCHES)][STRETCHES // 2 - 1 :]
    grown = [[now - before for before, now in pairwise(column)] for column in zip(*points, strict=True)]
    objects, held = (statistics.median(each) / CASES * STRETCHES for each in grown)
    print(f"\n    each APDU leaves {objects:+.3f} objects and {held:+.0f} bytes behind")
    assert objects < 0.1
    assert held < 100


def after(locked_out: LockedOutCard, apdus: Iterator[bytes]) -> tuple[int, int]:
    """Return how many objects there are, and how many bytes libraries and large objects hold."""
    for raw in apdus:
        locked_out.send(raw)
    locked_out.power_on()
    gc.collect()
    mallinfo2 = LIBC.mallinfo2
    mallinfo2.restype = InUse
    malloc = mallinfo2()
    return sys.getallocatedblocks(), malloc.uordblks + malloc.hblkhd
