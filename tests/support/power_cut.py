"""A card whose power is cut (kill -9) at random moments, and what may be in its folder afterwards.

    python tests/support/power_cut.py FOLDER ROUNDS SEED

Each round forks a child that opens the card and sends it commands as fast as it can, saying each
command before it and that it was answered after it. The parent kills it after a random number of
microseconds, and looks whether the folder holds what the answered commands made of it, or that and
one step of the command that was under way. Prints how many rounds ended inside a command; ends with
a traceback as soon as a folder is not as it must be.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from emulator import Card, VirtualCard  # noqa: E402
from support.emulator import SELECT_PIV, send  # noqa: E402
from support.management import authenticate  # noqa: E402

TRIES = 15
LONGEST_MICROSECONDS = 12_000
_NAMES = ("passcode", "unblocking_code", "tries_left", "unblocking_tries_left")
_OBJECT = "5FC106"


@dataclass(frozen=True)
class Kept:
    """What the card must keep."""

    passcode: str
    unblocking_code: str
    tries_left: int
    unblocking_tries_left: int
    content: str
    """Of a data object, in hex."""


def kept(folder: Path) -> Kept:
    """Read the folder as the card does, so that whatever is broken shows."""
    Card.open(folder)
    values = json.loads((folder / "card.json").read_text())
    return Kept(*(values[name] for name in _NAMES), (folder / f"{_OBJECT}.object").read_bytes().hex())


def padded(code: str) -> str:
    return code.encode().ljust(8, b"\xff").hex()


def steps(before: Kept, command: str) -> list[Kept]:
    """Return what the folder may hold while a command is under way: first before it, last after it."""
    name, _, new = command.partition(" ")
    spent = replace(before, tries_left=max(before.tries_left - 1, 0))
    spent_code = replace(before, unblocking_tries_left=max(before.unblocking_tries_left - 1, 0))
    if name == "put":
        return [before, replace(before, content=new)]
    if name.endswith("unblocking") or name == "unblock":
        after = replace(spent_code, unblocking_tries_left=TRIES)
        locked = before.unblocking_tries_left == 0
        if name == "unblock":
            after = replace(after, passcode=new, tries_left=TRIES)
        elif name == "change-unblocking":
            after = replace(after, unblocking_code=new)
        elif name == "wrong-unblocking":
            return [before, spent_code]
        return [before] if locked else [before, spent_code, after]
    if name == "wrong":
        return [before, spent]
    after = replace(spent, tries_left=TRIES, passcode=new or before.passcode)
    return [before] if before.tries_left == 0 else [before, spent, after]


def apdu(now: Kept, command: str) -> str:
    name, _, new = command.partition(" ")
    passcode, unblocking = padded(now.passcode), padded(now.unblocking_code)
    if name == "put":
        return f"00DB3FFF{len(new) // 2 + 7:02X}5C03{_OBJECT}53{len(new) // 2:02X}{new}"
    return {
        "verify": f"0020008008{passcode}",
        "wrong": f"0020008008{padded('000000')}",
        "change": f"0024008010{passcode}{padded(new)}",
        "change-unblocking": f"0024008110{unblocking}{padded(new)}",
        "wrong-unblocking": f"002C008010{padded('00000000')}{padded('111111')}",
        "unblock": f"002C008010{unblocking}{padded(new)}",
    }[name]


def choose(chance: random.Random) -> str:
    digits = "".join(chance.choices("123456789", k=chance.randint(6, 8)))
    commands = ["verify", "wrong", f"change {digits}", f"change-unblocking {digits}", "wrong-unblocking"]
    return chance.choice([*commands, f"unblock {digits}", f"put {bytes(chance.choices(range(256), k=100)).hex()}"])


def use(folder: Path, say: Callable[[str], None], chance: random.Random) -> None:
    """Send commands until killed."""
    card = VirtualCard(Card.open(folder))
    send(card, SELECT_PIV)
    authenticate(card)
    now = kept(folder)
    say("ready")
    while True:
        command = choose(chance)
        say(command)
        status = send(card, apdu(now, command))[1]
        now = steps(now, command)[-1]
        say(f"= {status}")


def cut(folder: Path, chance: random.Random) -> bool:
    """Do one round; return whether the kill came inside a command."""
    before = kept(folder)
    reading, writing = os.pipe()
    seed = chance.random()
    child = os.fork()
    if not child:
        use(folder, lambda text: (os.write(writing, text.encode() + b"\n"), None)[1], random.Random(seed))  # noqa: S311
    os.close(writing)
    with open(reading, "rb") as said:
        assert said.readline() == b"ready\n", "the child failed"
        time.sleep(chance.randrange(LONGEST_MICROSECONDS) / 1e6)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines = said.read().decode().splitlines()
    for command, _ in zip(lines[::2], lines[1::2], strict=False):
        before = steps(before, command)[-1]
    under_way = lines[-1] if len(lines) % 2 else None
    after = kept(folder)
    allowed = steps(before, under_way) if under_way else [before]
    assert after in allowed, f"{under_way}: {after} is none of {allowed}"
    return under_way is not None


def main(folder: Path, rounds: int, seed: int) -> None:
    """Cut the power `rounds` times; a card that is locked for good is given its tries again."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    (folder / f"{_OBJECT}.object").write_bytes(b"\x00")
    inside = 0
    for _ in range(rounds):
        inside += cut(folder, chance)
        now = json.loads((folder / "card.json").read_text())
        if not (now["tries_left"] and now["unblocking_tries_left"]):
            (folder / "card.json").write_text(json.dumps({**now, "tries_left": TRIES, "unblocking_tries_left": TRIES}))
    print(inside)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
