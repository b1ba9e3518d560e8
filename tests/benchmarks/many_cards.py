"""What hundreds of cards in one process cost: start-up time and memory, with 100, 250 and 500 of them.

    python tests/benchmarks/many_cards.py

Needs pytest, and what `python3 -m emulator` needs.

Every card has a folder, four private keys, four certificates, and a connection of its own to a
reader of its own. Start-up is from starting the program until it has said "ready" of every reader,
after that each card is used once. Both must be linear: ends with exit code 1 when a card costs more
than LIMIT times as much between 250 and 500 as between 100 and 250.
"""

from __future__ import annotations

import itertools
import resource
import selectors
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.emulator import SELECT_PIV, EmulatorProgram, make_card  # noqa: E402
from support.emulator_links import CardReader  # noqa: E402

COUNTS = (100, 250, 500)
LIMIT = 1.5
ROUNDS = 3
READ_9A = "00CB3FFF0000055C035FC1050000"


@dataclass(frozen=True)
class Cost:
    """Of a program with so many cards."""

    cards: int
    seconds: float
    kilobytes: int
    threads: int
    apdus_a_second: float


def measure(data: Path, cards: int) -> Cost:
    """Start the emulator with so many cards, use each once, stop it."""
    readers = [CardReader() for _ in range(cards)]
    places = [f"card-{number}@{reader.port}" for number, reader in enumerate(readers)]
    started = time.perf_counter()
    program = EmulatorProgram(data, readers[0].address, places, log_level="error")
    try:
        accept_all(readers)
        for _ in readers:
            assert program.ready().startswith("ready ")
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        for reader in readers:
            assert reader.exchange(SELECT_PIV + "00").endswith("9000")
            assert reader.exchange(READ_9A).endswith("9000")
        rate = 2 * cards / (time.perf_counter() - started)
        return Cost(cards, seconds, *memory_and_threads(program.process.pid), rate)
    finally:
        program.stop()
        for reader in readers:
            reader.close()


def accept_all(readers: list[CardReader]) -> None:
    """Take the cards in whatever order they come."""
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader.listener, selectors.EVENT_READ, reader)
        while selector.get_map():
            for key, _ in selector.select(10):
                selector.unregister(key.fileobj)
                key.data.accept()


def memory_and_threads(pid: int) -> tuple[int, int]:
    """Return resident memory in kB and the number of threads."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]), int(lines["Threads"])


def slopes(costs: list[Cost], quantity: str) -> list[float]:
    """Return what one more card costs, from each number of cards to the next."""
    values = [(cost.cards, float(getattr(cost, quantity))) for cost in costs]
    return [(b - a) / (more - fewer) for (fewer, a), (more, b) in itertools.pairwise(values)]


def main() -> int:
    """Measure, print, compare."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for number in range(max(COUNTS)):
            make_card(data / "cards" / f"card-{number}", guid=f"{number:032x}")
        runs = [[measure(data, cards) for cards in COUNTS] for _ in range(ROUNDS)]
    best = [min(same, key=lambda cost: cost.seconds) for same in zip(*runs, strict=True)]
    for cost in best:
        print(
            f"{cost.cards:4} cards: ready after {cost.seconds:5.2f} s, {cost.kilobytes / 1024:6.1f} MB, "
            f"{cost.threads} thread(s), {cost.apdus_a_second:6.0f} APDUs a second"
        )
    return int(not all([linear(best, "seconds", "ms", 1e3), linear(best, "kilobytes", "kB", 1)]))


def linear(costs: list[Cost], quantity: str, unit: str, factor: float) -> bool:
    """Print what one more card costs; return whether it costs the same when there are many."""
    first, second = slopes(costs, quantity)
    holds = second <= LIMIT * first
    print(
        f"one card more: {first * factor:.2f} {unit}, from {costs[1].cards} on {second * factor:.2f} {unit}: "
        f"{'linear' if holds else 'NOT LINEAR'}"
    )
    return holds


if __name__ == "__main__":
    sys.exit(main())
