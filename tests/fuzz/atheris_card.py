"""A coverage-guided fuzzer for the card: atheris looks for frames that reach code no other frames reached.

    pip install -e .[fuzz] && python tests/fuzz/atheris_card.py -runs=1000000

It begins with what programs send, and changes that. A find is written to a file whose name is given
as the only argument to run it once more. Where atheris is not installed it says so, and that is all.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

try:
    import atheris
except ImportError:
    print("the coverage-guided fuzzer is left out: atheris is not installed, and has no wheel for every Python")
    raise SystemExit(0) from None

import pytest  # noqa: E402

with atheris.instrument_imports(include=["emulator"]):
    from support.fuzzing import SEEDS, SELECT, LockedOutCard, card_folders, change_inside, quicken, repeatable

    from emulator.reader.vpcd import FrameDecoder, encode_frame


INPUTS = itertools.count()


def one_input(data: bytes) -> None:
    """Send one conversation to a card whose codes nobody knows. It gets its tries back now and then."""
    if next(INPUTS) % 1000 == 0:
        card.insert()
    card.power_on()
    for frame in FrameDecoder().feed(data):
        card.send_frame(frame)


def change_one_frame(data: bytes, longest: int, seed: int) -> bytes:
    """Let libFuzzer change one command and put right the lengths around that, or now and then any of the bytes."""
    chance = repeatable(seed)
    frames = FrameDecoder().feed(data)
    if not frames or chance.random() < 0.2:
        return bytes(atheris.Mutate(data, longest))
    at = chance.randrange(len(frames))
    frames[at] = change_inside(frames[at], lambda content: bytes(atheris.Mutate(content, len(content) + 64)), chance)
    changed = b"".join(map(encode_frame, frames))
    return changed if len(changed) <= longest else data


def write_corpus(folder: Path) -> None:
    """Write what the fuzzer begins with: each command, and all of them one after the other."""
    folder.mkdir()
    frames = [encode_frame(seed) for seed in SEEDS]
    for number, content in enumerate([*frames, b"".join(frames)]):
        (folder / f"seed-{number}").write_bytes(encode_frame(SELECT) + content)


def fuzz(scratch: Path) -> None:
    """Never returns: libFuzzer ends the process, without a word to Python."""
    only_one = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    write_corpus(scratch / "corpus")
    atheris.Setup(
        [*sys.argv, *([] if only_one else [str(scratch / "corpus")])], one_input, custom_mutator=change_one_frame
    )
    atheris.Fuzz()


if __name__ == "__main__":
    with card_folders() as scratch:
        quicken(pytest.MonkeyPatch())
        card = LockedOutCard(Path(scratch) / "locked-out")
        if child := os.fork():
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        fuzz(Path(scratch))
