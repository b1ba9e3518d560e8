"""A share of `tox -e soak` (tests/benchmarks/soak.py): what happens at a kiosk, in one order of chance."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import Slot
from support.machine import need
from support.reader import Pcscd
from support.soak import ProbedKiosk, Soak, second_reader
from support.spine import Spine

from spine_stub.stub import Stub

SEED = 20261126


@pytest.fixture
def crowd(kiosk_slot: Slot, data: Path, pcscd: Pcscd, spine: Spine, tmp_path: Path) -> Iterator[Soak]:
    need("xdotool", "tkinter", "Xlib")
    second = Slot(data, second_reader(pcscd))
    kiosk = ProbedKiosk(kiosk_slot, spine, Stub.of(spine.app).broker.store, tmp_path)
    yield Soak(kiosk, pcscd, second, random.Random(SEED))  # noqa: S311  no secret
    kiosk.close()
    second.close()


def test_sixty_people_and_what_goes_wrong_meanwhile(crowd: Soak) -> None:
    crowd.run(20)
    crowd.brutal = False
    crowd.run(10)
    before = crowd.counts()
    crowd.run(30)
    after = crowd.counts()
    assert after.resources() == before.resources()
    assert after.memory < before.memory * 1.03
