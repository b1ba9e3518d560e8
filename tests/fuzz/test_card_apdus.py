"""Random and mutated APDUs and frames: whatever comes in, the card answers, and nothing it guards moves.

FUZZ_CARD_CASES says how many; `tox -e fuzz` asks for 1,000,000. Each property says how many it takes.
"""

from __future__ import annotations

import functools
import gc
import os
import random
import shutil
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest
from support.emulator import make_card
from support.fuzzing import SEEDS, LockedOutCard, cases, change, check_answer, check_frames, repeatable, rsa_import

from emulator import Card, VirtualCard
from emulator.keys import key_pairs
from emulator.reader.vpcd import encode_frame

CASES = int(os.environ.get("FUZZ_CARD_CASES", "4000"))
BATCH = 1000
MIB = 1 << 20


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


def test_memory_stays_flat(locked_out: LockedOutCard) -> None:
    """The second half of the cases leaves no more behind than the first did: neither objects nor memory."""
    apdus = cases(repeatable(1))
    first = after(locked_out, islice(apdus, CASES // 2))
    second = after(locked_out, islice(apdus, CASES // 2))
    objects, resident = (now - before for now, before in zip(second, first, strict=True))
    print(
        f"\n    {objects:+} objects and {resident / MIB:+.2f} MiB in the second half, {second[1] / MIB:.0f} MiB in all"
    )
    assert objects < 300
    assert resident < 4 * MIB


def after(locked_out: LockedOutCard, apdus: Iterator[bytes]) -> tuple[int, int]:
    """Return how many objects there are, and how many bytes of memory are resident."""
    for raw in apdus:
        locked_out.send(raw)
    locked_out.power_on()
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(gc.get_objects()), pages * os.sysconf("SC_PAGE_SIZE")
