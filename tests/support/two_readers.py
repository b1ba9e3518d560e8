"""Two embedded readers as one source of cards.

Fixtures: `source` (the readers), `slots` (the way into the first and the second).
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import AgentError, CardIn, Fault, IdentityCard, Report
from demo import EmbeddedReader
from support.agent import Slot


class TwoReaders:
    """Two embedded readers as one source of cards; nothing is read while `go` is not set."""

    def __init__(self) -> None:
        self.readers = EmbeddedReader(0), EmbeddedReader(0)
        self.go = threading.Event()
        self.go.set()
        self.mute: EmbeddedReader | None = None  # the one whose card does not answer

    def watch(self, report: Report) -> None:
        threading.Thread(target=self.readers[1].watch, args=(report,), daemon=True).start()
        self.readers[0].watch(report)

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        self.go.wait(10)
        (reader,) = (each for each in self.readers if each.address in card.reader)
        if reader is self.mute:
            raise AgentError(Fault.CARD_MUTE)
        with reader.open(card) as identity:
            yield identity

    def release(self) -> None:
        for reader in self.readers:
            reader.release()

    def close(self) -> None:
        for reader in self.readers:
            reader.close()


@pytest.fixture
def source() -> Iterator[TwoReaders]:
    source = TwoReaders()
    yield source
    source.go.set()
    source.close()


@pytest.fixture
def slots(data: Path, source: TwoReaders) -> Iterator[list[Slot]]:
    """The way into the first and the second reader. The card `token` is one without a certificate."""
    token = shutil.copytree(data / "cards" / "no-role", data / "cards" / "token")
    for each in token.glob("9*.pem"):
        each.unlink()
    slots = [Slot(data, reader.address) for reader in source.readers]
    yield slots
    for slot in slots:
        slot.close()
