"""How many complete sign-ins a second the broker does: activate, sign, validate, select, assert, log out.

    python tests/benchmarks/load.py                        everything: about eight minutes
    python tests/benchmarks/load.py --rounds 5 --clients 8 --stores sqlite --processes 1
    python tests/benchmarks/load.py --sign-ins 20000       does its memory stay flat?

Needs pytest, and for the store in redis redis-server with Python's redis.

Clients are processes of their own, over real TLS with connections that are kept open. Beside each
number, in the same run: a bare Flask route on the same web server, and the bare cryptographic work
of one sign-in (the RSA verification of the signature and of the chain). The bare route is sent the
same five requests by the same clients, reads them, and gives replies that were made before. What
both allow together is 1 / (1 / bare rate + 1 / crypto rate); the ratio is what the broker makes of
it. Ends with exit code 1 when one process stays under TARGET, or anything was lost or doubled.

Bare route and broker take turns, SIGN_INS each time, and what counts is the median of the ratios of two
neighbours: a busy machine changes its speed within seconds by more than what is measured here. As the bare route
does, the broker writes no line for each request (--log-level warning); its record it keeps.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from load_crew import Crew, Work
from load_people import ROOT, Connection, LoadFailed, load_people, make_people, sign_in

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa  # noqa: E402
from support.machine import stop  # noqa: E402
from support.servers import own_port, running_redis  # noqa: E402
from support.spine_client import Card  # noqa: E402

from spine_stub.web.server import THREADS  # noqa: E402

TARGET = 0.45
ROUNDS = 25
SIGN_INS = 128
"""How many in a round, for each side: all of them count, from the first activation to the last logout."""
CRYPTO_SECONDS = 0.3
PEOPLE = 300
MEMORY_STEPS = 10
MEMORY_GROWTH = 0.05

BARE = """
import json, sys
from pathlib import Path
from flask import Flask, Response, request
from spine_stub.faults.tls import context_of
from spine_stub.web.server import Server
data = Path(sys.argv[1])
bare = Flask("bare", static_folder=None)
replies = json.loads((data / "load" / "replies.json").read_text())
def route(path):
    request.get_data()
    return Response(replies["/" + path], content_type="text/xml")
bare.add_url_rule("/<path:path>", "bare", route, methods=["GET", "POST"])
context = context_of((data / "load" / "tls.pem").read_bytes())
server = Server(bare, "127.0.0.1", 0, lambda _: context, threads=int(sys.argv[2]))
server.prepare()
print("ready", server.url, flush=True)
server.serve()
"""


def main() -> int:
    """Measure what the options ask for."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        print(f"making {PEOPLE} people ...", flush=True)
        make_people(data, PEOPLE)
        if options.sign_ins:
            return check_memory(data, options.sign_ins)
        return compare(data, options)


def compare(data: Path, options: argparse.Namespace) -> int:
    """Print a line for each number of clients, store and number of processes."""
    keep_replies(data)
    crypto = max(crypto_rate(data) for _ in range(ROUNDS))
    print(f"bare cryptographic work of a sign-in, one thread: {crypto:.0f} a second\n")
    print(f"medians of {options.rounds} rounds")
    print("processes  clients  store   bare route  allows  sign-ins/s  ratio  (of all rounds)  ms CPU  tickets")
    of_one: list[float] = []
    for processes, clients, store in itertools.product(options.processes, options.clients, options.stores):
        # Each process brings a thread's worth of cryptographic work of its own.
        rounds, tickets = measure(data, store, processes, clients, options.rounds, crypto * processes)
        bare, allowed, done, ratio, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        if processes == 1:
            of_one.append(ratio)
        ratios = sorted(each.ratio for each in rounds)
        print(
            f"{processes:9}  {clients:7}  {store:6}  {bare:10.0f}  {allowed:6.0f}  {done:10.0f}  {ratio:5.2f}  "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})  {cpu:6.1f}  {tickets}, none doubled",
            flush=True,
        )
    if not of_one:
        return 0
    print(f"\nsmallest ratio of one process {min(of_one):.2f}, target {TARGET}")
    return int(min(of_one) < TARGET)


class Round(NamedTuple):
    """Sign-ins a second of the bare route, what it allows with the cryptographic work, and of the broker."""

    bare: float
    allowed: float
    broker: float
    ratio: float
    milliseconds: float
    """The broker's processor time for each."""


def measure(data: Path, store: str, processes: int, clients: int, count: int, crypto: float) -> tuple[list[Round], int]:
    """Let bare route and broker take turns; returns the rounds, and how many tickets were given."""
    rounds: list[Round] = []
    threads = THREADS if store == "redis" else 1  # as the broker has
    command = [sys.executable, "-c", BARE, str(data), str(threads)]
    with (
        servers(command, processes) as bare_server,
        brokers(data, store, processes) as broker,
        Crew(data, clients) as crew,
    ):
        tickets = crew.do(Work(broker.urls, SIGN_INS))  # the first round, with the handshakes, does not count
        crew.do(Work(bare_server.urls, SIGN_INS, bare=True))
        for _ in range(count):
            bare, _ = crew.rate(Work(bare_server.urls, SIGN_INS, bare=True))
            before = broker.processor_seconds()
            done, given = crew.rate(Work(broker.urls, SIGN_INS))
            milliseconds = (broker.processor_seconds() - before) / SIGN_INS * 1000
            allowed = 1 / (1 / bare + 1 / crypto)
            rounds.append(Round(bare, allowed, done, done / allowed, milliseconds))
            tickets += given
    if len(tickets) > len(set(tickets)):
        raise LoadFailed(f"{len(tickets) - len(set(tickets))} tickets were given twice")
    return rounds, len(tickets)


def keep_replies(data: Path) -> None:
    """Keep what the broker says to one sign-in, for the bare route to repeat."""
    replies: dict[str, str] = {}
    with brokers(data, "memory", 1) as broker:
        connection = Connection(broker.urls[0], data / "ca.pem")

        def send(method: str, path: str, body: bytes) -> str:
            return replies.setdefault(path.partition("?")[0], connection.send(method, path, body))

        sign_in(send, load_people(data)[0])
        connection.close()
    (data / "load" / "replies.json").write_text(json.dumps(replies))


def check_memory(data: Path, sign_ins: int) -> int:
    """Print what the broker's memory does during many sign-ins."""
    sizes = []
    given: set[str] = set()
    begun = time.monotonic()
    with brokers(data, "sqlite", 1) as broker, Crew(data, 8) as crew:
        for step in range(MEMORY_STEPS):
            given.update(crew.do(Work(broker.urls, sign_ins // MEMORY_STEPS)))
            sizes.append(resident(broker.pids[0]))
            print(f"{(step + 1) * sign_ins // MEMORY_STEPS:8} sign-ins: {sizes[-1] / 1e6:7.1f} MB", flush=True)
    seconds = time.monotonic() - begun
    # The record of requests fills up first; it is bounded.
    growth = sizes[-1] / sizes[MEMORY_STEPS // 4] - 1
    print(f"{len(given)} tickets, all different, in {seconds:.0f} s")
    print(f"growth after the first quarter {growth:+.1%}, limit {MEMORY_GROWTH:.0%}")
    return int(growth > MEMORY_GROWTH or len(given) != sign_ins // MEMORY_STEPS * MEMORY_STEPS)


def crypto_rate(data: Path) -> float:
    """How often one thread can verify a signature, the card's certificate and its issuer's."""
    card = Card.load(data, "one-role")
    signature = card.raw_signature(b"x" * 48, "sha256")
    issuing, root = (
        x509.load_pem_x509_certificate((data / name).read_bytes()) for name in ("ca/issuing.cert.pem", "ca.pem")
    )
    checks = [(card.certificate.public_key(), signature, b"x" * 48)]
    for signed, by in ((card.certificate, issuing), (issuing, root)):
        checks.append((by.public_key(), signed.signature, signed.tbs_certificate_bytes))
    done, end = 0, time.monotonic() + CRYPTO_SECONDS
    while time.monotonic() < end:
        for key, signed_with, content in checks:
            if isinstance(key, ec.EllipticCurvePublicKey):  # the root's
                key.verify(signed_with, content, ec.ECDSA(hashes.SHA256()))
            else:
                assert isinstance(key, rsa.RSAPublicKey)
                key.verify(signed_with, content, padding.PKCS1v15(), hashes.SHA256())
        done += 1
    return done / CRYPTO_SECONDS


@dataclass(frozen=True)
class Running:
    """Programs that serve."""

    urls: tuple[str, ...]
    pids: tuple[int, ...]

    def processor_seconds(self) -> float:
        """User and system time of all of them: proc(5), stat, fields 14 and 15."""
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids)
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def brokers(data: Path, store: str, processes: int) -> Iterator[Running]:
    """Run brokers on one DIR."""
    with contextlib.ExitStack() as stack:
        where = store
        if store == "redis":
            port = stack.enter_context(own_port())
            stack.enter_context(running_redis(port, data))
            where = f"redis://127.0.0.1:{port}"
        command = [sys.executable, "-m", "spine_stub", "--data", str(data), "--port", "0", "--store", where]
        command += ["--log-level", "warning"]
        yield stack.enter_context(servers(command, processes))


@contextlib.contextmanager
def servers(command: Sequence[str], count: int) -> Iterator[Running]:
    """Run programs that say `ready URL`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment)
        for _ in range(count)
    ]
    try:
        yield Running(tuple(map(_address, running)), tuple(process.pid for process in running))
    finally:
        for process in running:
            stop(process)
            if process.stdout:
                process.stdout.close()


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout
    word, _, address = process.stdout.readline().decode().strip().partition(" ")
    if word != "ready":
        raise LoadFailed(f"a server did not start: {process.args!r}")
    return address


def resident(pid: int) -> int:
    """The resident memory of a process in bytes: proc(5), statm, field 2."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many: more say more on a busy machine")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--stores", nargs="+", default=["sqlite", "redis"], choices=["sqlite", "redis", "memory"])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sign-ins", type=int, default=0, help="do this many instead, and watch the memory")
    options = parser.parse_args()
    if "memory" in options.stores and max(options.processes) > 1:
        parser.error("several processes do not share the memory store: add --processes 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
