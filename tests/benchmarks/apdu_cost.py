"""What one APDU, and one RSA signature, cost through a real pcscd and vpcd.

    python tests/benchmarks/apdu_cost.py

Needs root, as it starts a pcscd of its own, with vpcd and pyscard; pytest; and for the second comparison vicc (Debian:
vsmartcard-vpicc).

Three comparisons, all in one run on one processor: where the scheduler puts the programs on several,
the same APDU takes 30 or 100 microseconds, by luck.

1.  The virtual card against a bare responder, which reads a frame and answers 9000 after as many
    bytes as the card's answer has, in as few lines as it takes: what that costs is pcscd, vpcd, the
    client's library and the sockets, which no card can avoid.
2.  The virtual card against vsmartcard's own `vicc`, where that is installed.
3.  A signature with RSA 2048 against the bare private-key operation plus one bare APDU as long.

Both sides of a comparison are measured by turns, in many short rounds. A round's median counts, which
leaves out the first APDU after a pause and those in which another program had the processor; and of
the rounds the fastest tenth, each with both sides in it, as other programs can only make a round
slower. Ends with exit code 1 when a limit does not hold.
"""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils  # noqa: E402
from support.emulator import EmulatorProgram, card_keys, make_card  # noqa: E402
from support.emulator_links import PcscClient  # noqa: E402
from support.machine import stop, wait_until  # noqa: E402
from support.reader import own_pcscd  # noqa: E402

LIMIT = 1.3
SIGNATURE_LIMIT = 1.2
TIMES_CHEAPER_THAN_VICC = 100
ROUNDS, APDUS_A_ROUND = 200, 20
VICC_APDUS, SIGNATURES_A_ROUND = 10, 3
COMMANDS = {
    "GET DATA, Discovery, 20 bytes": ("00CB3FFF035C017E00", 20),
    "GET DATA, part of a certificate, 256 bytes": ("00CB3FFF055C035FC10500", 256),
    "VERIFY, status": ("00200080", 0),
}
SELECT, VERIFY = "00A4040005A00000030800", "0020008008313233343536FFFF"
# GENERAL AUTHENTICATE with 9A, RSA 2048, in one extended APDU; what is signed is a padded block.
BLOCK = "0001" + "FF" * 202 + "00" + "30" * 51
SIGN = f"0087079A00010A7C8201068200818201 00{BLOCK}0000".replace(" ", "")
SIGNED_BYTES = 264
GET_CHALLENGE, CHALLENGE = "0084000008", "0087039B047C02810000"
# Debian puts the library where Debian's Python does not look for it.
VICC_LIBRARY = "/usr/lib/python3/site-packages/virtualsmartcard"
ATR = bytes.fromhex("3B80800101")


def bare_responder(host: str, port: int, answers: dict[bytes, bytes]) -> None:
    """Answer the commands in `answers` as they say, everything else 9000."""
    with socket.create_connection((host, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while frame := _frame(connection):
            if frame == b"\x04":
                connection.sendall(len(ATR).to_bytes(2, "big") + ATR)
            elif len(frame) > 1:
                connection.sendall(answers.get(frame, b"\x00\x02\x90\x00"))


def _frame(connection: socket.socket) -> bytes:
    length = int.from_bytes(_exactly(connection, 2), "big")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = connection.recv(count - len(data))
        if not piece:
            return b""
        data += piece
    return data


@contextlib.contextmanager
def bare_card(host: str, port: int) -> Iterator[None]:
    """Put the bare responder into the reader at a port."""
    lengths = dict((*COMMANDS.values(), (SIGN, SIGNED_BYTES)))
    answers = {
        bytes.fromhex(apdu): (length + 2).to_bytes(2, "big") + bytes(length) + b"\x90\x00"
        for apdu, length in lengths.items()
    }
    process = multiprocessing.Process(target=bare_responder, args=(host, port, answers))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def card_in(reader: int) -> PcscClient:
    """Return a connection to the card in the first reader (0) or the second (1)."""
    client = PcscClient(reader)
    wait_until(lambda: client.connect() == 0, what="a card in the reader")
    return client


def microseconds(action: Callable[[], object], times: int) -> float:
    """Return the median of one round."""
    measured = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        measured.append(time.perf_counter() - started)
    return statistics.median(measured) * 1e6


def by_turns(times: int, *actions: Callable[[], object], rounds: int = ROUNDS) -> list[list[float]]:
    """Return what each action costs in microseconds, a row for each round."""
    return [[microseconds(action, times) for action in actions] for _ in range(rounds)]


def line(name: str, rounds: list[list[float]]) -> float:
    """Print one comparison: of the first action with all others together; return its ratio."""
    undisturbed = sorted(rounds, key=sum)[: len(rounds) // 10]
    ours = statistics.median(row[0] for row in undisturbed)
    bare = statistics.median(sum(row[1:]) for row in undisturbed)
    print(f"{name:45} {ours:7.0f} us, bare {bare:7.0f} us: {ours / bare:.2f}")
    return ours / bare


def compare_apdus(card: PcscClient, bare: PcscClient) -> bool:
    """Print a line for each command; return whether the worst ratio is within the limit."""
    ratios = []
    for name, (apdu, _) in COMMANDS.items():
        rounds = by_turns(APDUS_A_ROUND, lambda: card.transmit(apdu), lambda: bare.transmit(apdu))  # noqa: B023
        ratios.append(line(name, rounds))
    return verdict("APDU", max(ratios), LIMIT)


def compare_signatures(card: PcscClient, bare: PcscClient) -> bool:
    """Print what a signature costs; return whether it is within the limit."""
    key = card_keys()["9A"]
    assert isinstance(key, rsa.RSAPrivateKey)
    card.transmit(VERIFY)
    assert card.transmit(SIGN)[1].endswith("9000")
    how, hashed = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    rounds = by_turns(
        SIGNATURES_A_ROUND,
        lambda: card.transmit(SIGN),
        lambda: key.sign(bytes(32), how, hashed),
        lambda: bare.transmit(SIGN),
    )
    return verdict("signature", line("RSA 2048, signature", rounds), SIGNATURE_LIMIT)


def compare_with_vicc(card: PcscClient, host: str, port: int) -> bool:
    """Print what vsmartcard's own card costs, in the second reader, which must be empty."""
    with vicc_card(host, port) as problem:
        if problem:
            print(f"not compared with vsmartcard's vicc: {problem}")
            return True
        other = card_in(1)
        ours = statistics.median(microseconds(lambda: card.transmit(CHALLENGE), APDUS_A_ROUND) for _ in range(ROUNDS))
        theirs = microseconds(lambda: other.transmit(GET_CHALLENGE), VICC_APDUS)
        print(f"{'a challenge of 8 bytes':45} {ours:7.0f} us, vicc {theirs:7.0f} us")
        return verdict("times cheaper than vicc", -theirs / ours, -TIMES_CHEAPER_THAN_VICC)


@contextlib.contextmanager
def vicc_card(host: str, port: int) -> Iterator[str]:
    """Put vicc into the reader at a port; yield why that is not possible, or nothing."""
    vicc = shutil.which("vicc")
    if not vicc:
        yield "it is not installed (Debian: vsmartcard-vpicc)"
        return
    if not importlib.util.find_spec("Crypto"):
        yield f"it needs what Debian does not package: {sys.executable} -m pip install pycryptodome"
        return
    command = [sys.executable, vicc, "--type", "iso7816", "--hostname", host, "--port", str(port)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    environment = {**os.environ, "PYTHONPATH": f"{VICC_LIBRARY}:{os.environ.get('PYTHONPATH', '')}"}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, **quiet, stderr=said, env=environment)
        try:
            watcher = PcscClient(1)
            wait_until(lambda: watcher.atr() or process.poll() is not None, what="vicc")
            said.seek(0)
            yield "" if process.poll() is None else f"it does not start: {said.read().strip().splitlines()[-1]}"
        finally:
            stop(process)


def verdict(what: str, measured: float, limit: float) -> bool:
    """Print and return whether a limit holds."""
    print(f"    {what}: {abs(measured):.2f}, limit {abs(limit)}: {'holds' if measured <= limit else 'DOES NOT HOLD'}")
    return measured <= limit


def main() -> int:
    """Put the virtual card into the first reader, others into the second; compare."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with own_pcscd() as pcscd, tempfile.TemporaryDirectory() as folder:
        host, _, port = pcscd.vpcd.rpartition(":")
        make_card(Path(folder) / "cards" / "one-role")
        emulator = EmulatorProgram(Path(folder), pcscd.vpcd, "one-role", log_level="info")
        try:
            emulator.ready()
            card = card_in(0)
            card.transmit(SELECT)
            with bare_card(host, int(port) + 1):
                bare = card_in(1)
                hold = [compare_apdus(card, bare), compare_signatures(card, bare)]
            wait_until(lambda: not bare.atr(), what="an empty reader")
            hold.append(compare_with_vicc(card, host, int(port) + 1))
        finally:
            emulator.stop()
    return int(not all(hold))


if __name__ == "__main__":
    sys.exit(main())
