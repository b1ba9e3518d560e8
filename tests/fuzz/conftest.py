"""The card that all fuzzing of cards is about."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fuzzing import LockedOutCard, card_folders, quicken


@pytest.fixture(autouse=True)
def _collect_garbage() -> Iterator[None]:
    """Undo for these tests, which have no windows, what the other conftest.py does: hypothesis leaves gigabytes."""
    gc.enable()
    yield
    gc.disable()


@pytest.fixture
def locked_out(locked_out_card: LockedOutCard) -> Iterator[LockedOutCard]:
    """Yield the card, put in anew; say how much it was sent, and check at last that it is what it was."""
    locked_out_card.insert()
    locked_out_card.sent = 0
    yield locked_out_card
    print(f"\n    {locked_out_card.sent:,} APDUs or frames were answered")
    assert locked_out_card.tries_are_recorded()
    locked_out_card.insert()


@pytest.fixture(scope="module")
def locked_out_card(cards: Path) -> LockedOutCard:
    return LockedOutCard(cards / "locked-out")


@pytest.fixture(scope="module")
def cards() -> Iterator[Path]:
    """Yield a folder for cards that are sent very much."""
    with pytest.MonkeyPatch.context() as patch, card_folders() as folder:
        quicken(patch)
        yield Path(folder)
