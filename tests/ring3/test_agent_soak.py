"""A share of `tox -e soak` (tests/benchmarks/soak.py): what happens at a kiosk, in one order of chance."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.agent import Slot
from support.machine import need
from support.reader import Pcscd
from support.soak import ProbedKiosk, Soak, Visit, second_reader
from support.soak_visits import KEEPS, calm, visits
from support.spine import Spine

from spine_stub.stub import Stub

SEED = 20261126


@pytest.fixture
def crowd(kiosk_slot: Slot, data: Path, pcscd: Pcscd, spine: Spine, tmp_path: Path) -> Iterator[Callable[..., Soak]]:
    """crowd("--mobility") is a kiosk with these options of the agent, and everybody who comes there."""
    need("xdotool", "tkinter", "Xlib")
    second = Slot(data, second_reader(pcscd))
    with contextlib.ExitStack() as stack:
        stack.callback(second.close)

        def start(*options: str) -> Soak:
            kiosk = ProbedKiosk(kiosk_slot, spine, Stub.of(spine.app).broker.store, tmp_path, *options)
            stack.callback(kiosk.close)
            return Soak(kiosk, pcscd, second, random.Random(SEED))  # noqa: S311  no secret

        yield start


def adds_nothing_up(people: Soak, sign_ins: int, visits: Mapping[Visit, int]) -> None:
    people.run(1, calm(people.kiosk.options))
    before = people.counts()
    people.run(sign_ins, visits)
    people.run(1, calm(people.kiosk.options))
    after = people.counts()
    assert after.resources() == before.resources()
    assert after.memory < before.memory * 1.03


def test_people_come_and_go_and_much_goes_wrong_meanwhile(crowd: Callable[..., Soak]) -> None:
    people = crowd()
    people.run(12, visits((), brutal=True))
    people.run(8, visits((), brutal=False))
    adds_nothing_up(people, 25, visits((), brutal=False))


def test_sessions_are_kept_while_others_come(crowd: Callable[..., Soak]) -> None:
    people = crowd(KEEPS)
    people.run(5, visits([KEEPS], brutal=True))
    adds_nothing_up(people, 10, visits([KEEPS], brutal=False))
