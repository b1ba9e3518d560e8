"""How long a person waits after Enter, through a real pcscd and vpcd, against what cannot be avoided.

    python tests/benchmarks/sign_in.py

Needs root, as it starts a pcscd of its own, with vpcd and pyscard; pytest.

Signs in ROUNDS times with the virtual card at the stand-in for the broker, each a program of its
own as in the demonstration. After each sign-in the parts that no agent can do without are measured
on their own: the same APDUs to a bare responder in pcscd's second reader, the card's RSA operation,
the broker's validation as a call, one bare HTTPS request on a connection that is open. Ends with
exit code 1 when Enter to roles takes more than LIMIT times as long as their sum.
"""

from __future__ import annotations

import ctypes
import http.client
import multiprocessing
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]

from apdu_cost import bare_responder, card_in  # noqa: E402
from support.agent import Person  # noqa: E402
from support.emulator import EmulatorProgram  # noqa: E402
from support.machine import TIED_TO_THE_RUN, stop, wait_until  # noqa: E402
from support.reader import own_pcscd  # noqa: E402
from support.spine import Desk  # noqa: E402

from agent import Cue, Guardian, PcscReader, State  # noqa: E402
from emulator.keys.private_key import PrivateKey  # noqa: E402

LIMIT = 1.5
ROUNDS = 50
CARD = "three-roles"


class CountingPcsc:
    """libpcsclite, which keeps the APDUs that are sent."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libpcsclite.so.1")
        self.apdus: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def SCardTransmit(self, card: Any, request: Any, apdu: Any, size: Any, *received: Any) -> int:  # noqa: N802
        self.apdus.append(bytes(apdu[: size.value]).hex())
        return int(self._library.SCardTransmit(card, request, apdu, size, *received))


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


@contextmanager
def broker_program(data: Path) -> Iterator[str]:
    """`python3 -m spine_stub` on a free port; yields its address."""
    command = [sys.executable, "-m", "spine_stub", "--data", str(data), "--port", "0"]
    process = subprocess.Popen([*TIED_TO_THE_RUN, *command, "--log-level", "warning"], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout
    try:
        yield process.stdout.readline().decode().split()[1]
    finally:
        stop(process)


def enter_to_roles(person: Person, pcsc: CountingPcsc) -> tuple[float, list[str]]:
    """When the card is read and the challenge is there: type, and wait for the roles.

    Returns the milliseconds and the APDUs that it took.
    """
    person.sees(State.PASSCODE)
    wait_until(lambda: person.attempt.prefetched, what="a challenge")
    pcsc.apdus.clear()

    def sign_in() -> None:
        person.conductor.type_passcode("123456")
        person.sees(State.CHOOSING_ROLE)

    took, apdus = milliseconds(sign_in), list(pcsc.apdus)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.handle(Cue.DISMISSED)
    return took, apdus


class Parts:
    """What cannot be avoided, each part on its own."""

    def __init__(self, data: Path, desk: Desk, url: str) -> None:
        self._key = PrivateKey.from_pem((data / "cards" / CARD / "9A.key.pem").read_bytes())
        self._desk = desk
        self._bare = card_in(1)
        context = ssl.create_default_context(cafile=str(data / "ca.pem"))
        host, port = urlsplit(url).hostname, urlsplit(url).port
        self._https = http.client.HTTPSConnection(str(host), port, context=context)
        self._https_request()

    def measure(self, apdus: list[str]) -> dict[str, float]:
        answer = self._desk.answer(self._desk.card(CARD))
        return {
            f"{len(apdus)} bare APDUs": milliseconds(lambda: self._send(apdus)),
            "the card's RSA operation": milliseconds(lambda: self._key.apply(b"\0" + b"\x55" * 255)),
            "the broker's validation": milliseconds(lambda: self._desk.broker.validate(answer)),
            "one bare HTTPS request": milliseconds(self._https_request),
        }

    def _send(self, apdus: list[str]) -> None:
        for apdu in apdus:
            assert self._bare.transmit(apdu) == (0, "9000")

    def _https_request(self) -> None:
        self._https.request("GET", "/healthz")
        assert self._https.getresponse().read() == b"ok\n"


def report(waits: list[float], parts: list[dict[str, float]]) -> float:
    """Print the medians; return the ratio."""
    print(f"{'median of ' + str(len(waits)) + ' sign-ins':40} {'ms':>8}")
    medians = {name: statistics.median(each[name] for each in parts) for name in parts[0]}
    for name, median in medians.items():
        print(f"  {name:38} {median:8.2f}")
    unavoidable, wait = sum(medians.values()), statistics.median(waits)
    print(f"{'the sum of what cannot be avoided':40} {unavoidable:8.2f}")
    print(f"{'Enter to roles':40} {wait:8.2f}   (slowest {max(waits):.2f})")
    return wait / unavoidable


def main() -> int:
    with ExitStack() as stack:
        pcscd = stack.enter_context(own_pcscd())
        data = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        url = stack.enter_context(broker_program(data))
        host, _, port = pcscd.vpcd.rpartition(":")
        bare = multiprocessing.Process(target=bare_responder, args=(host, int(port) + 1, {}))
        bare.start()
        stack.callback(bare.terminate)
        emulator = EmulatorProgram(data, pcscd.vpcd, CARD, log_level="info")
        stack.callback(emulator.stop)
        emulator.ready()
        pcsc = CountingPcsc()
        guardian = stack.enter_context(closing(Guardian(url, data / "ca.pem")))
        person = Person(PcscReader("00 00", pcsc), guardian.new_broker)
        stack.callback(person.close)
        measured = Parts(data, Desk.open(data), url)
        waits, parts = [], []
        enter_to_roles(person, pcsc)  # what comes only once is not measured
        for _ in range(ROUNDS):
            wait, apdus = enter_to_roles(person, pcsc)
            waits.append(wait)
            parts.append(measured.measure(apdus))
        ratio = report(waits, parts)
    print(f"ratio {ratio:.2f}, limit {LIMIT}")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
