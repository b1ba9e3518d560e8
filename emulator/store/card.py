"""A card: its passcode, private keys and data objects, opened from a card folder.

The folder's format is in card_json.py.
"""

from __future__ import annotations

import dataclasses
import datetime
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ..errors import CardError
from ..identifiers import CERTIFICATE_OBJECTS, RETIRED_KEYS, KeyReference, ObjectTag
from ..keys.management_key import ManagementKey
from ..keys.private_key import PrivateKey
from ..piv import objects
from ..piv.reference_data import USUAL_PASSCODE, USUAL_UNBLOCKING_CODE
from .card_folder import CardFolder
from .card_json import CARD_FILE, CardFile
from .durable import check_folder

CARDS = "cards"
"""The folder inside DIR that holds the card folders."""

_NOT_PRINTED = ("C", "Zl", "Zp")
"""Unicode's categories of control, format and unassigned characters, and of breaks between lines."""


def printable(text: str) -> str:
    """Return text for one line of a terminal, log or page, with "?" for what would change how it looks.

    Names of folders and of certificates' holders may hold escape sequences, line breaks and marks that
    turn the direction of writing.
    """
    return "".join("?" if unicodedata.category(char).startswith(_NOT_PRINTED) else char for char in text)


class Card:
    """Everything a card keeps while it has no power (CardMemory). What is put on it is on the disk first."""

    def __init__(self, name: str, file: CardFile, folder: CardFolder) -> None:
        self.name = name
        self.file = file
        """card.json: codes, tries, management key, version."""
        self.passcode = file.passcode
        """What VERIFY compares with."""
        self.unblocking_code = file.unblocking_code
        self.version = file.version
        self.keys: dict[KeyReference, PrivateKey] = folder.keys()
        self.objects: dict[int, bytes] = {}
        """GET DATA answers by tag."""
        self.folder = folder.path
        self._folder = folder
        self._contents = folder.contents()
        self._show_objects()

    @classmethod
    def open(cls, folder: Path | str) -> Card:
        """Read a card folder; raise CardError when anything in it is not as it must be, or another user's."""
        folder = Path(folder)
        check_folder(folder)
        return cls(folder.name, CardFile(folder), CardFolder(folder))

    @property
    def management_key(self) -> ManagementKey:
        """What proves who may write to the card."""
        return self.file.management_key

    @property
    def serial(self) -> int:
        """A number of 31 bits, made from the GUID."""
        return int.from_bytes(self.file.guid[:4], "big") & 0x7FFFFFFF

    def put_object(self, tag: int, content: bytes) -> None:
        """Keep a data object; nothing removes it. Raises OSError."""
        self._folder.put(tag, content)
        self._contents.pop(tag, None)
        if content:
            self._contents[tag] = content
        self._show_objects()

    def put_key(self, reference: KeyReference, key: PrivateKey) -> None:
        """Keep a private key. Raises OSError."""
        self._folder.put_key(reference, key)
        self.keys[reference] = key
        self._show_objects()

    def move_key(self, source: KeyReference, target: KeyReference | None) -> None:
        """Move a private key to another place, or to none. Raises OSError."""
        key = self.keys[source]
        if target:
            self.put_key(target, key)
        self._folder.remove_key(source)
        del self.keys[source]
        self._show_objects()

    def clear(self) -> None:
        """Lose all keys and data objects, and take the usual codes. Raises OSError or CardError."""
        self._folder.clear()
        self.keys.clear()
        self._contents.clear()
        self._show_objects()
        self.set_management_key(ManagementKey())
        self.set_codes(USUAL_PASSCODE, USUAL_UNBLOCKING_CODE)

    def set_management_key(self, key: ManagementKey) -> None:
        """Keep another management key. Raises OSError or CardError."""
        self.file.set_management_key(key)

    def set_codes(self, passcode: str, unblocking_code: str, tries: tuple[int, int] | None = None) -> None:
        """Take new codes, with all tries left. Raises OSError or CardError."""
        self.file.set_codes(passcode, unblocking_code, tries)

    def unlock(self) -> None:
        """Have all tries of both codes again, as no card of plastic can. Raises OSError or CardError."""
        for code in (self.passcode, self.unblocking_code):
            code.set_tries_left(code.tries)

    def _show_objects(self) -> None:
        """Say by itself what nobody has written to the card."""
        contents = {**self._built(), **self._contents}
        self.objects.clear()
        self.objects.update({tag: objects.whole(tag, content) for tag, content in contents.items()})

    def _built(self) -> dict[int, bytes]:
        guid, expires = self.file.guid, self.file.expires
        built = {
            ObjectTag.CHUID.value: objects.chuid(guid, expires),
            ObjectTag.CARD_CAPABILITY_CONTAINER.value: objects.card_capability_container(guid),
            ObjectTag.DISCOVERY.value: objects.discovery(),
            ObjectTag.PRINTED_INFORMATION.value: objects.printed_information(self.name, expires, str(self.serial)),
        }
        retired = [key for key in RETIRED_KEYS if key in self.keys]
        if retired:
            with_certificate = sum(CERTIFICATE_OBJECTS[key] in self._contents for key in retired)
            built[ObjectTag.KEY_HISTORY] = objects.key_history(with_certificate, len(retired) - with_certificate)
        return built


@dataclasses.dataclass(frozen=True)
class Summary:
    """A card as `list` shows it; `problem` says why a card cannot be used."""

    name: str
    uid: str | None = None
    tries_left: int | None = None
    not_after: datetime.date | None = None
    problem: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return it as the control socket says it; `problem` only where there is one."""
        said = {**dataclasses.asdict(self), "not_after": self.not_after and self.not_after.isoformat()}
        return said if self.problem else {name: value for name, value in said.items() if name != "problem"}

    def __str__(self) -> str:
        """Return it as a line of a list."""
        if self.problem:
            return self.problem
        uid, until = self.uid or "no certificate", self.not_after or "-"
        return f"{self.name:<14} {uid:<14} {self.tries_left} tries left, certificate until {until}"


def card_names(data: Path) -> list[str]:
    """Return the names of the cards under DIR, sorted."""
    _check(data)
    return sorted(entry.parent.name for entry in (data / CARDS).glob(f"*/{CARD_FILE}"))


def open_card(data: Path, name: str) -> Card:
    """Open the card with this name under DIR; raise CardError, which lists the names there are."""
    _check(data)
    folder = data / CARDS / name
    if name != printable(name):
        raise CardError(f'"{printable(name)}" is no name for a card: it has characters that cannot be shown.')
    if folder.parent != data / CARDS or folder.name != name or not (folder / CARD_FILE).is_file():
        names = ", ".join(map(printable, card_names(data))) or "none"
        raise CardError(f'There is no card "{name}" in {data / CARDS}; there are: {names}.')
    return Card.open(folder)


def summaries(data: Path) -> Iterator[Summary]:
    """Yield a line about every card under DIR, the broken ones too."""
    for name in card_names(data):
        try:
            yield summary(data / CARDS / name)
        except CardError as error:
            yield Summary(printable(name), problem=printable(str(error)))


def _check(data: Path) -> None:
    """Refuse a DIR that another user may have prepared."""
    check_folder(data)
    check_folder(data / CARDS)


def summary(folder: Path) -> Summary:
    """Return the line about one card; raise CardError for a broken one."""
    if folder.name != printable(folder.name):
        raise CardError(f"{folder}: no name for a card, it has characters that cannot be shown.")
    check_folder(folder)
    tries_left = CardFile(folder).passcode.tries_left
    certificate = CardFolder(folder).certificate(KeyReference.AUTHENTICATION)
    if certificate is None:
        return Summary(folder.name, tries_left=tries_left)
    try:
        uid = certificate.subject.native.get("common_name")
        return Summary(folder.name, uid and printable(str(uid)), tries_left, certificate.not_valid_after.date())
    except (ValueError, TypeError):
        raise CardError(f"{folder}: the 9A certificate's subject or dates cannot be read.") from None
