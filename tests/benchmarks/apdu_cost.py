"""What one APDU costs through a real pcscd and vpcd: the virtual card against a bare responder.

    python tests/benchmarks/apdu_cost.py

The bare responder reads a frame and answers 9000, in as few lines as it takes: what it costs is
pcscd, vpcd, the client's library and the sockets, which no card can avoid. Both are measured by
turns in one run, all processes on one processor: where the scheduler puts them on several, the same
APDU takes 30 or 100 microseconds, by luck. Ends with exit code 1 when the virtual card costs more
than LIMIT times as much.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.emulator import EmulatorProgram, make_card  # noqa: E402
from support.emulator_links import PcscClient  # noqa: E402
from support.machine import wait_until  # noqa: E402
from support.reader import own_pcscd  # noqa: E402

LIMIT = 2.0
ROUNDS, APDUS_A_ROUND = 40, 50
COMMANDS = {
    "GET DATA, Discovery, 20 bytes": "00CB3FFF035C017E00",
    "GET DATA, part of a certificate, 256 bytes": "00CB3FFF055C035FC10500",
    "VERIFY, status": "00200080",
}
SELECT = "00A4040005A00000030800"
ATR = bytes.fromhex("3B80800101")


def bare_responder(host: str, port: int) -> None:
    """Answer 9000 to everything."""
    with socket.create_connection((host, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while frame := _frame(connection):
            if frame == b"\x04":
                connection.sendall(len(ATR).to_bytes(2, "big") + ATR)
            elif len(frame) > 1:
                connection.sendall(b"\x00\x02\x90\x00")


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


def card_in(reader: int) -> PcscClient:
    """Return a connection to the card in the first reader (0) or the second (1)."""
    client = PcscClient(reader)
    wait_until(lambda: client.connect() == 0, what="a card in the reader")
    return client


def microseconds(client: PcscClient, apdu: str) -> float:
    """Return the mean of one round."""
    started = time.perf_counter()
    for _ in range(APDUS_A_ROUND):
        client.transmit(apdu)
    return (time.perf_counter() - started) / APDUS_A_ROUND * 1e6


def compare(card: PcscClient, bare: PcscClient) -> float:
    """Print a line for each command; return the worst ratio."""
    card.transmit(SELECT)
    worst = 0.0
    print(f"{'median of ' + str(ROUNDS) + ' rounds':45} {'card':>9} {'bare':>9} {'ratio':>6}")
    for name, apdu in COMMANDS.items():
        rounds = [(microseconds(card, apdu), microseconds(bare, apdu)) for _ in range(ROUNDS)]
        ours, theirs = (statistics.median(times) for times in zip(*rounds, strict=True))
        worst = max(worst, ours / theirs)
        print(f"{name:45} {ours:6.0f} us {theirs:6.0f} us {ours / theirs:6.2f}")
    return worst


def main() -> int:
    """Put the virtual card into the first reader, the bare responder into the second; compare."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with own_pcscd() as pcscd, tempfile.TemporaryDirectory() as folder:
        host, _, port = pcscd.vpcd.rpartition(":")
        bare = multiprocessing.Process(target=bare_responder, args=(host, int(port) + 1))
        bare.start()
        make_card(Path(folder) / "cards" / "one-role")
        emulator = EmulatorProgram(Path(folder), pcscd.vpcd, "one-role", log_level="info")
        try:
            emulator.ready()
            worst = compare(card_in(0), card_in(1))
        finally:
            emulator.stop()
            bare.terminate()
    print(f"worst ratio {worst:.2f}, limit {LIMIT}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
