"""Two people at two readers, in any order: a try is spent only on the card whose owner was shown when it was typed."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from support.agent import Person, Slot
from support.emulator import tries_left_on_disk
from support.spine import Spine
from support.two_readers import TwoReaders

from agent import Broker, CardChosen, Cue, State, describe_owner

CARDS = {"one-role": "555000000002", "three-roles": "555000000001"}
TRIES, STEPS = 15, 40
WRONG = "000000"


class Two(Person):
    """Two people: they put cards in, pull them, choose, and type wrong passcodes into whatever is shown."""

    def __init__(self, spine: Spine, source: TwoReaders, slots: list[Slot], seed: int) -> None:
        super().__init__(source, lambda: Broker(spine.url, spine.ca_file))
        self.random, self.slots, self.spent = random.Random(seed), slots, Counter[str]()  # noqa: S311
        self.places = dict(zip(CARDS, slots, strict=True))
        self.is_in = dict.fromkeys(CARDS, False)

    def moves_a_card(self) -> None:
        name = self.random.choice(list(CARDS))
        slot = self.places[name]
        slot.pull() if self.is_in[name] else slot.insert(name)
        self.is_in[name] = not self.is_in[name]
        if self.random.random() < 0.5:  # or else the next thing happens before that is noticed
            number = sum(self.is_in.values())
            self.waits(lambda: len(self.conductor.cards) == number, "the card")

    def types_what_is_wrong(self) -> None:
        """For the card whose owner is shown, as soon as one is."""
        ends = time.monotonic() + 1
        while self.state is not State.PASSCODE and self.conductor.cards and time.monotonic() < ends:
            self.chooses()
            self.bridge.wait(0.05)
        shown, attempt = describe_owner(self.conductor), self.conductor.attempt
        uid = attempt.facts.certificate.uid if attempt and attempt.facts else ""
        name = next((name for name, each in CARDS.items() if each == uid), "")
        if not name or self.spent[name] > TRIES - 4 or self.state is not State.PASSCODE:
            return
        if self.conductor.type_passcode(WRONG):
            assert uid in shown
            self.spent[name] += 1

    def chooses(self) -> None:
        if self.state is State.CHOOSING_CARD:
            self.conductor.handle(CardChosen(self.random.choice(list(self.conductor.owners))))

    def goes_on(self) -> None:
        self.conductor.handle(Cue.DISMISSED)

    def lets_time_pass(self) -> None:
        self.bridge.wait(self.random.choice((0.01, 0.05, 0.2)))


@pytest.mark.parametrize("seed", range(4))
def test_at_random(seed: int, spine: Spine, source: TwoReaders, slots: list[Slot], data: Path) -> None:
    for name in CARDS:
        path = data / "cards" / name / "card.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "tries": TRIES, "tries_left": TRIES}))
    two = Two(spine, source, slots, seed)
    steps = [two.moves_a_card, two.types_what_is_wrong, two.types_what_is_wrong, two.chooses, two.lets_time_pass]
    try:
        for _ in range(STEPS):
            two.random.choice([*steps, two.lets_time_pass, two.goes_on])()
        two.waits(lambda: two.state is not State.SIGNING_IN, "the end of the last try")
        left = {name: tries_left_on_disk(data / "cards" / name) for name in CARDS}
    finally:
        two.close()
    for name in CARDS:
        assert TRIES - left[name] <= two.spent[name], two.states  # a card can be pulled before it is asked
    assert sum(two.spent.values()), "nobody typed anything"
