"""How soon an application hears that the card is out.

    python tests/benchmarks/cis2_logout.py [ROUNDS]

Needs pytest, requests, Authlib and jwcrypto. The broker is a program of its own; the agent, its embedded reader and the
application are in this process. Each round a card is put in, its passcode typed, and its ticket signs the person in to
the application by CIS2; then the card is pulled. The time is from the pull to the logout token at the application,
which checks it. Ends with exit code 1 when the median is over LIMIT_MS.
"""

from __future__ import annotations

import contextlib
import gc
import re
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]

import requests  # noqa: E402
from examples.strict_client import StrictClient  # noqa: E402
from sign_in import broker_program  # noqa: E402
from support.agent import Person, Slot  # noqa: E402
from support.cis2_logout import CALLBACK, CLIENT_ID, SECRET, LogoutAddress  # noqa: E402
from support.machine import wait_until  # noqa: E402

from agent import Broker, State  # noqa: E402
from demo import EmbeddedReader  # noqa: E402
from spine_stub.cis2 import REALM  # noqa: E402
from spine_stub.config import system_clock  # noqa: E402
from spine_stub.pki.first_start import fill  # noqa: E402

ROUNDS = 20
CARD = "one-role"
LIMIT_MS = 100.0
CLIENT = """
[[client]]
id = "{id}"
secret = "{secret}"
redirect_uris = ["{callback}"]
backchannel_logout_uri = "{logout}"
"""


def registered(data: Path, address: LogoutAddress) -> None:
    """Fill DIR, and register the application in it."""
    fill(data, system_clock(), secrets.token_bytes)
    with (data / "clients.toml").open("a") as clients:
        clients.write(CLIENT.format(id=CLIENT_ID, secret=SECRET, callback=CALLBACK, logout=address.url))


def signs_in(client: StrictClient, ticket: str, ca_file: str) -> None:
    """Go through the sign-in page with the agent's ticket, as its script does."""
    with requests.Session() as browser:
        browser.trust_env, browser.verify = False, ca_file
        page = browser.get(client.begin(), timeout=10)
        key = re.search(r'name="key" value="([^"]+)"', page.text)
        assert key, page.text
        form = {"key": key[1], "ticket": ticket}
        reply = browser.post(page.url.partition("?")[0], data=form, allow_redirects=False, timeout=10)
        client.finish(urljoin(page.url, reply.headers["Location"]))


def one_round(person: Person, slot: Slot, client: StrictClient, address: LogoutAddress, ca_file: str) -> float:
    """The milliseconds from the pull of the card to the logout token."""
    slot.insert(CARD)
    person.types()
    person.sees(State.SIGNED_IN)
    signs_in(client, person.session.ticket, ca_file)
    address.received.clear()
    pulled = time.perf_counter()
    slot.pull()
    person.sees(State.WAITING)
    wait_until(lambda: address.received, what="a logout token")
    client.log_out(address.received[0].token)
    assert not client.visits
    return (address.received[0].at - pulled) * 1000


def main() -> int:
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        address = LogoutAddress()
        stack.callback(address.close)
        registered(data, address)
        url, ca_file = stack.enter_context(broker_program(data)), str(data / "ca.pem")
        reader = EmbeddedReader(0)
        stack.callback(reader.close)
        slot = Slot(data, reader.address)
        stack.callback(slot.close)
        person = Person(reader, lambda: Broker(url, data / "ca.pem"))
        stack.callback(person.close)
        client = StrictClient(url + REALM, CLIENT_ID, SECRET, CALLBACK, ca_file)
        one_round(person, slot, client, address, ca_file)  # what comes only once is not measured
        gc.freeze()  # as the agent does
        count = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
        times = [one_round(person, slot, client, address, ca_file) for _ in range(count)]
    median = statistics.median(times)
    print(f"card out to logout token, {count} rounds: median {median:.1f} ms, slowest {max(times):.1f} ms")
    return int(median > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
