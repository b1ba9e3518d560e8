"""An attacker beside honest people: Debian's Python, where TLS and the check of certificates share one OpenSSL."""

from __future__ import annotations

import base64
import random
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.machine import TIED_TO_THE_RUN, unavailable
from support.spine_client import Card, Client, field_of, make_card, reason, sign_cms

from spine_stub.folder import ISSUING, ISSUING_KEY, SESSIONS
from spine_stub.pki import authority

PYTHON = "/usr/bin/python3"
ROOT = Path(__file__).parents[2]
HONEST = 300
DAMAGED = 300
"""Of the 1,500 that were tried when this was found: 38 of them did harm."""
UID = "555000000002"

Attack = Callable[[Client], None]


@pytest.fixture
def url(data: Path) -> Iterator[str]:
    """A broker as a program, on Debian's packages."""
    command = (PYTHON, "-c", "import spine_stub.app, spine_stub.web.server")
    if subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode:
        unavailable("not on this machine: the broker's libraries as packages of Debian")
    command = (*TIED_TO_THE_RUN, PYTHON, "-m", "spine_stub", "--data", str(data), "--port", "0")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as broker:
        assert broker.stdout
        yield broker.stdout.readline().removeprefix("ready ").strip()
        broker.terminate()


def sessions(data: Path) -> int:
    with closing(sqlite3.connect(data / SESSIONS)) as connection:
        return int(connection.execute("SELECT count(*) FROM session").fetchone()[0])


def forged_certificates(data: Path) -> Attack:
    """Our issuing CA's name and key identifier, and another key behind it."""
    ours = authority.Issuer.load(data / ISSUING, data / ISSUING_KEY)
    card = make_card(data, UID, authority.ec_key(), issuer=replace(ours, key=authority.rsa_key()))
    return lambda client: check_refused(client, sign(client, card))


def damaged_answers(data: Path) -> Attack:
    """A right answer with one byte changed: each that is granted all the same logs out."""
    card, chance = Card.load(data, "one-role"), random.Random(20261126)  # noqa: S311

    def attack(client: Client) -> None:
        challenge, der, signature = sign(client, card)
        at = chance.randrange(len(der))
        check_refused(
            client, (challenge, der[:at] + bytes([der[at] ^ 1 << chance.randrange(8)]) + der[at + 1 :], signature)
        )

    return attack


Signed = tuple[str, bytes, str]
"""A challenge, the CMS over it, and the server signature."""


def sign(client: Client, card: Card) -> Signed:
    challenge, signature = client.activate()
    return challenge, sign_cms(card, base64.b64decode(challenge)).dump(), signature


def check_refused(client: Client, signed: Signed) -> None:
    """Send an answer that should be refused; what is granted all the same logs out."""
    challenge, der, signature = signed
    reply = client.post("/login/authvalidate", client.answer(Card(UID, None, None), der, challenge, signature))  # type: ignore[arg-type]
    if reason(reply) is None:
        client.get("/login/authlogout", token=field_of(reply.text, "sso_ticket"))


@pytest.mark.parametrize("attack", [forged_certificates, damaged_answers], ids=lambda attack: attack.__name__)
def test_honest_people_sign_in_beside_an_attacker(data: Path, url: str, attack: Callable[[Path], Attack]) -> None:
    attack_once, card = attack(data), Card.load(data, "one-role")
    over = threading.Event()

    def attacker() -> int:
        client, count = Client(url, data / "ca.pem"), 0
        while not over.is_set() or count < DAMAGED:
            attack_once(client)
            count += 1
        return count

    def honest(_: int) -> bool:
        client = Client(url, data / "ca.pem")
        ticket = client.sign_in(card)
        return "OK" in client.get("/login/authlogout", token=ticket).text

    with ThreadPoolExecutor(6) as pool:
        attacking = pool.submit(attacker)
        try:
            assert all(pool.map(honest, range(HONEST)))
        finally:
            over.set()
        assert attacking.result() >= DAMAGED
    assert sessions(data) == 0
