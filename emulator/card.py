"""A card: its passcode, private keys and data objects, opened from a card folder.

The folder's format is in storage.py.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import pem, x509

from . import objects
from .identifiers import CERTIFICATE_OBJECTS, KeyReference, ObjectTag
from .private_key import PrivateKey, PrivateKeyError
from .storage import CARD_FILE, CardError, CardFile, ReferenceData

CARDS = "cards"
"""The folder inside DIR that holds the card folders."""


class Card:
    """Everything a card keeps while it has no power."""

    def __init__(
        self, name: str, file: CardFile, keys: dict[KeyReference, PrivateKey], data_objects: dict[int, bytes]
    ) -> None:
        self.name = name
        self.keys = keys
        self.objects = data_objects
        """GET DATA answers by tag."""
        self._file = file

    @classmethod
    def open(cls, folder: Path | str) -> Card:
        """Read a card folder; raise CardError when anything in it is not as it must be."""
        folder = Path(folder)
        file = CardFile(folder)
        keys: dict[KeyReference, PrivateKey] = {}
        found: dict[int, bytes] = {
            ObjectTag.CHUID: objects.chuid(file.guid, file.expires),
            ObjectTag.CARD_CAPABILITY_CONTAINER: objects.card_capability_container(file.guid),
            ObjectTag.DISCOVERY: objects.discovery(),
        }
        for reference, tag in CERTIFICATE_OBJECTS.items():
            key = _read_key(folder / f"{reference:02X}.key.pem")
            certificate = _read_certificate(folder / f"{reference:02X}.cert.pem")
            if key:
                keys[reference] = key
            if certificate:
                found[tag] = objects.certificate(certificate.dump())
        return cls(folder.name, file, keys, found)

    @property
    def passcode(self) -> ReferenceData:
        """What VERIFY compares with."""
        return self._file.passcode


@dataclass(frozen=True)
class Summary:
    """A card as `list` shows it; `problem` says why a card cannot be used."""

    name: str
    uid: str | None = None
    tries_left: int | None = None
    not_after: datetime.date | None = None
    problem: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return it as the control socket says it; `problem` only where there is one."""
        said: dict[str, object] = {
            "name": self.name,
            "uid": self.uid,
            "tries_left": self.tries_left,
            "not_after": self.not_after and self.not_after.isoformat(),
        }
        return {**said, "problem": self.problem} if self.problem else said


def card_names(data: Path) -> list[str]:
    """Return the names of the cards under DIR, sorted."""
    return sorted(entry.parent.name for entry in (data / CARDS).glob(f"*/{CARD_FILE}"))


def open_card(data: Path, name: str) -> Card:
    """Open the card with this name under DIR; raise CardError, which lists the names there are."""
    names = card_names(data)
    if name not in names:
        raise CardError(f'There is no card "{name}" in {data / CARDS}; there are: {_list(names)}.')
    return Card.open(data / CARDS / name)


def summaries(data: Path) -> Iterator[Summary]:
    """Yield a line about every card under DIR, the broken ones too."""
    for name in card_names(data):
        try:
            yield _summary(data / CARDS / name)
        except CardError as error:
            yield Summary(name, problem=str(error))


def _summary(folder: Path) -> Summary:
    tries_left = CardFile(folder).passcode.tries_left
    path = folder / f"{KeyReference.AUTHENTICATION:02X}.cert.pem"
    certificate = _read_certificate(path)
    if certificate is None:
        return Summary(folder.name, tries_left=tries_left)
    try:
        uid = certificate.subject.native.get("common_name")
        return Summary(folder.name, uid, tries_left, certificate.not_valid_after.date())
    except (ValueError, TypeError):
        raise CardError(f"{path}: the certificate's subject or dates cannot be read.") from None


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _read_key(path: Path) -> PrivateKey | None:
    text = _read(path)
    try:
        return None if text is None else PrivateKey.from_pem(text)
    except PrivateKeyError as error:
        raise CardError(f"{path}: {error}.") from error


def _read_certificate(path: Path) -> x509.Certificate | None:
    """Return the certificate, of which no more is checked than that it is one: a card does not."""
    text = _read(path)
    if text is None:
        return None
    try:
        kind, _, der = pem.unarmor(text)
        certificate = x509.Certificate.load(der, strict=True)
    except ValueError:
        kind = None
    if kind != "CERTIFICATE":
        raise CardError(f"{path}: not a certificate in PEM.")
    return certificate


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CardError(f"{path}: {error.strerror}.") from error
