"""The first start: fills an empty DIR with a test CA, people and cards.

Everything is made in a folder of its own, DIR/.filling-*. When that is complete it is renamed to
DIR/.filled, and from there moved into place, ca.pem last. So a start that is killed at any moment
leaves a DIR that the next start completes.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from .. import folder
from ..config import RandomBytes
from ..errors import DataError
from ..folder import locked, take_folder, write_private
from . import authority
from .demo_cards import DEMONSTRATION_CARDS, Slot, write_card
from .revocation import make_revocation_list

_log = logging.getLogger("spine_stub")

_FILLED = ".filled"
_FILLING = ".filling-"
_ENTRIES = (folder.CA, folder.CARDS, folder.PEOPLE, folder.ROOT)
_DEMONSTRATION_PEOPLE = Path(__file__).parent.parent / "people" / "people.toml"
_EXAMPLE_CLIENTS = Path(__file__).parent.parent / "cis2" / "clients" / "clients.toml"


def fill(data: Path, now: datetime, random: RandomBytes) -> bool:
    """Fill DIR unless it is complete; True when it was filled. Raises DataError.

    A DIR without clients.toml, such as one from before there was CIS2, gets the example of one.
    """
    try:
        take_folder(data)
        with locked(data):
            is_new = not (data / folder.ROOT).exists() or (data / _FILLED).exists()
            if is_new:
                _fill(data, now, random)
            if not (data / folder.CLIENTS).exists():
                write_private(data / folder.CLIENTS, _EXAMPLE_CLIENTS.read_bytes())
            return is_new
    except OSError as exc:
        raise DataError(f"{data} cannot be used: {exc.strerror} ({exc.filename})") from exc


def _fill(data: Path, now: datetime, random: RandomBytes) -> None:
    for leftover in data.glob(_FILLING + "*"):
        shutil.rmtree(leftover)
    if not (data / _FILLED).exists():
        _refuse_strangers(data)
        _log.info("first start: making a test CA, people and cards in %s", data)
        filling = Path(tempfile.mkdtemp(prefix=_FILLING, dir=data))
        try:
            _make_everything(filling, now.replace(microsecond=0), random)
            filling.rename(data / _FILLED)
        except BaseException:
            shutil.rmtree(filling, ignore_errors=True)
            raise
    _move_into_place(data)


def _refuse_strangers(data: Path) -> None:
    for entry in _ENTRIES:
        if (data / entry).exists():
            raise DataError(
                f"{data} has {entry} but no {folder.ROOT}, so this broker did not make it: choose an empty folder"
            )


def _move_into_place(data: Path) -> None:
    for entry in _ENTRIES:
        made = data / _FILLED / entry
        if made.exists():  # it does not when an earlier start was killed after moving it
            made.rename(data / entry)
    (data / _FILLED).rmdir()


def _make_everything(data: Path, now: datetime, random: RandomBytes) -> None:
    for entry in (folder.CA, folder.CARDS):
        (data / entry).mkdir(mode=0o700)
    shutil.copyfile(_DEMONSTRATION_PEOPLE, data / folder.PEOPLE)
    write_private(data / folder.CHALLENGE_SECRET, random(32))
    # RSA keys are the slow part; OpenSSL makes them without holding the interpreter's lock. More threads than
    # processors would only take turns with the one that imports the server's modules meanwhile (__main__.py).
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        number = 1 + sum(len(plan.rsa_slots) for plan in DEMONSTRATION_CARDS)
        rsa_keys = [pool.submit(authority.rsa_key) for _ in range(number)]
        issuing = _make_authorities(data, rsa_keys[0].result(), now)
        revoked = _make_cards(data, issuing, rsa_keys[1:], now, random)
    revocations = make_revocation_list(issuing, revoked, now)
    (data / folder.REVOCATION_LIST).write_bytes(authority.certificate_pem(revocations))


def _make_authorities(data: Path, issuing_key: rsa.RSAPrivateKey, now: datetime) -> authority.Issuer:
    root_key = authority.ec_key()
    root = authority.make_root(root_key, now)
    issuing = authority.make_issuing(root, issuing_key, now)
    nobody = make_revocation_list(root, [], now)
    (data / folder.ROOT_REVOCATION_LIST).write_bytes(authority.certificate_pem(nobody))
    (data / folder.ROOT).write_bytes(authority.certificate_pem(root.certificate))
    (data / folder.ISSUING).write_bytes(authority.certificate_pem(issuing.certificate))
    write_private(data / folder.ROOT_KEY, authority.key_pem(root_key))
    write_private(data / folder.ISSUING_KEY, authority.key_pem(issuing_key))
    return issuing


def _make_cards(
    data: Path, issuing: authority.Issuer, rsa_keys: list[Future[rsa.RSAPrivateKey]], now: datetime, random: RandomBytes
) -> list[x509.Certificate]:
    """Write the demonstration cards; returns the certificates to be revoked."""
    revoked = []
    left = iter(rsa_keys)
    for plan in DEMONSTRATION_CARDS:
        keys: dict[Slot, authority.PrivateKey] = {slot: authority.ec_key() for slot in Slot}
        keys |= {slot: next(left).result() for slot in plan.rsa_slots}
        card = data / folder.CARDS / plan.name
        certificates = write_card(card, plan, keys, issuing, now, random)
        _log.info("made card %s", plan.name)
        if plan.revoked:
            revoked += certificates
    return revoked
