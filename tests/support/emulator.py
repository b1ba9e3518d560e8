"""What the tests need to run a virtual card: in process, and as a program."""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from emulator import Card, VirtualCard
from support.emulator_links import CardReader
from support.machine import TIED_TO_THE_RUN, stop

ROOT = Path(__file__).resolve().parents[2]
PASSCODE = "123456"
UID = "555000000002"
SELECT_PIV = "00A4040005A000000308"

CardKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@functools.cache
def card_keys() -> dict[str, CardKey]:
    """Return a demonstration card's four keys, made once for a test run."""
    keys: dict[str, CardKey] = {"9A": rsa.generate_private_key(65537, 2048)}
    keys.update({slot: ec.generate_private_key(ec.SECP256R1()) for slot in ("9C", "9D", "9E")})
    return keys


def make_card(folder: Path, uid: str = UID, **settings: Any) -> Path:
    """Write a card folder with self-signed certificates; `settings` go into card.json."""
    folder.mkdir(parents=True)
    for slot, key in card_keys().items():
        write_key(folder, slot, key, uid)
    write_settings(folder, **settings)
    return folder


def write_key(folder: Path, slot: str, key: CardKey, uid: str = UID) -> None:
    """Write a private key and its certificate into a card folder."""
    (folder / f"{slot}.key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / f"{slot}.cert.pem").write_bytes(self_signed(uid, key).public_bytes(serialization.Encoding.PEM))


def write_settings(folder: Path, **settings: Any) -> None:
    """Write card.json of a demonstration card, with these values changed."""
    values = {
        "passcode": PASSCODE,
        "unblocking_code": "12345678",
        "tries": 3,
        "tries_left": 3,
        "unblocking_tries": 3,
        "unblocking_tries_left": 3,
        "guid": "00112233445566778899AABBCCDDEEFF",
        "expires": "2030-12-31",
    }
    (folder / "card.json").write_text(json.dumps({**values, **settings}))


def tries_left_on_disk(folder: Path) -> int:
    """Return what a card folder says now."""
    return int(json.loads((folder / "card.json").read_text())["tries_left"])


@functools.cache
def self_signed(uid: str, key: CardKey) -> x509.Certificate:
    """Return a certificate as on an NHS card: O=nhs, OU=people, CN=uid."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nhs"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "people"),
            x509.NameAttribute(NameOID.COMMON_NAME, uid),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2035, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )


def send(card: VirtualCard, apdu: str) -> tuple[str, str]:
    """Send one command given in hex; return data and status word in hex."""
    answer = card.transmit(bytes.fromhex(apdu)).hex().upper()
    return answer[:-4], answer[-4:]


class EmulatorProgram:
    """`python3 -m emulator run` as a person starts it."""

    def __init__(
        self, data: Path, vpcd: str, card: str | list[str] | None = None, *options: str, log_level: str = "debug"
    ) -> None:
        self.data = data
        cards = [card] if isinstance(card, str) else card or []
        self.log = data / "emulator.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *TIED_TO_THE_RUN,
                    *command_line(data, "--log-level", log_level),
                    *("run", *cards, "--vpcd", vpcd, "--tray", "none", *options),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        assert self.process.stdout
        self._stdout = self.process.stdout

    def ready(self) -> str:
        """Wait for the ready line and return it; empty when the program has ended."""
        return self._stdout.readline().decode().strip()

    @contextlib.contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run another command on the same DIR, beside the test."""
        command = [*TIED_TO_THE_RUN, *command_line(self.data, *arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            try:
                yield process
            finally:
                process.terminate()

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command on the same DIR, as from another terminal."""
        return ask(self.data, *arguments)

    def stop(self) -> None:
        """End the program, if it has not ended."""
        stop(self.process)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


def command_line(data: Path, *options: str) -> list[str]:
    """Return `python3 -m emulator --data DIR` with options."""
    return [sys.executable, "-m", "emulator", "--data", str(data), *options]


def ask(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python3 -m emulator --data DIR ...` to its end."""
    return subprocess.run(
        command_line(data, *arguments),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.fixture
def card_folder(tmp_path: Path) -> Path:
    """Make a DIR with one card, one-role, and return the card's folder."""
    return make_card(tmp_path / "cards" / "one-role")


@pytest.fixture
def virtual_card(card_folder: Path) -> VirtualCard:
    """Return a card with power and PIV not yet selected."""
    return VirtualCard(Card.open(card_folder))


@pytest.fixture
def card_reader() -> Iterator[CardReader]:
    """Yield a reader that waits for a card."""
    waiting = CardReader()
    yield waiting
    waiting.close()


@pytest.fixture
def run_emulator() -> Iterator[Callable[..., EmulatorProgram]]:
    """Return EmulatorProgram; every program that it starts ends with the test."""
    programs: list[EmulatorProgram] = []

    def start(*arguments: Any, **named: Any) -> EmulatorProgram:
        programs.append(EmulatorProgram(*arguments, **named))
        return programs[-1]

    yield start
    for program in programs:
        program.stop()
