"""The card folder: what a card keeps, as plain files that a developer can read and edit.

    DIR/cards/NAME/card.json     {"passcode": "123456",            6 to 8 digits
                                  "unblocking_code": "12345678",   6 to 8 digits
                                  "tries": 3, "tries_left": 3,     1 to 15; none left: locked
                                  "unblocking_tries": 3, "unblocking_tries_left": 3,
                                  "guid": "<32 hex digits>",       the card's number, and the
                                  "expires": "YYYY-MM-DD"}         card's own expiry: its CHUID
                                 and, if other than what is said here:
                                  "management_key": "0102...08"    48 hex digits, or as many as
                                  "management_algorithm": "TDES"   AES_128, AES_192, AES_256 need
                                  "version": "5.7.0"               what GET VERSION answers
                                  "uid": "555000000001"            for whom requests are made
    DIR/cards/NAME/9A.key.pem    PKCS#8, unencrypted: test keys only. RSA 1024 (old cards), 2048,
                                 3072, 4096, EC P-256, P-384. Lines before BEGIN may say
                                  origin: generated                or imported
                                  passcode: once                   or never, always
    DIR/cards/NAME/9A.cert.pem   X.509; its subject's CN is the holder's uid. Or, in its place,
    DIR/cards/NAME/9A.cert.gz    the same in DER and compressed by gzip, as the card then has it
                                 Of 9C, 9D, 9E and the retired 82 to 95, too; any may be missing
    DIR/cards/NAME/5FC109.object any other data object: what is inside its tag 53 (7E and 7F61:
                                 inside that tag). It comes before what the card would say by
                                 itself (CHUID, Discovery, ..., and certificates in odd forms)

Edits count from the card's next insertion. The emulator writes what programs write to the card, and
the tries left; in card.json what it does not know, and what was edited meanwhile, stays. A write is
atomic (new file, rename; or one digit in its place) and made before it counts, so that no kill of
this process gives a try back. It is on the disk, too, before it counts (fsync), so that a card locked
today is locked tomorrow even when the PC loses power; but for tries of which there are more left,
because the disk can take longer than all else in a sign-in.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
from pathlib import Path
from typing import Any

from ..errors import CardError
from ..identifiers import Algorithm
from ..keys.management_key import DEFAULT_VALUE, KEY_BYTES, ManagementKey
from ..piv.reference_data import USUAL_PASSCODE, USUAL_TRIES, USUAL_UNBLOCKING_CODE, ReferenceData
from .durable import read, write_atomically, write_digit, write_durably

CARD_FILE = "card.json"
DEFAULT_VERSION = "5.7.0"


class CardFile:
    """card.json of one card: read and checked once, rewritten whole when a value changes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CARD_FILE
        self._values = _read(self.path)
        self.guid = bytes.fromhex(self.text("guid", r"[0-9A-Fa-f]{32}", "32 hex digits"))
        self.expires = self._date("expires")
        self.passcode = ReferenceData(self, "passcode", "tries")
        self.unblocking_code = ReferenceData(self, "unblocking_code", "unblocking_tries")
        self.management_key = self._management_key()
        self.version = self._version()
        self.uid = self.text("uid", r"[ -~]{0,64}", "at most 64 characters of ASCII", "")

    def count(self, name: str, least: int, most: int) -> int:
        """Return a whole number from the file; raise CardError when it is not in the range."""
        value = self._values.get(name)
        if type(value) is not int or not least <= value <= most:
            raise self._error(name, f"a whole number from {least} to {most}")
        return value

    def text(self, name: str, pattern: str, wanted: str, default: str | None = None) -> str:
        """Return a text from the file; raise CardError when all of it is not in the pattern."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise self._error(name, wanted)
        return value

    def update(self, **values: object) -> None:
        """Change values in the file, all at once; raise OSError or CardError if that cannot be."""
        content = json.dumps({**_read(self.path), **values}, indent=2).encode() + b"\n"
        if any(value == 0 or not name.endswith("tries_left") for name, value in values.items()):
            write_durably(self.path, content)
        elif not write_digit(self.path, content):
            write_atomically(self.path, content)

    def set_management_key(self, key: ManagementKey) -> None:
        """Keep another management key."""
        self.update(management_key=key.value.hex().upper(), management_algorithm=key.algorithm.name)
        self.management_key = key

    def set_codes(self, passcode: str, unblocking_code: str, tries: tuple[int, int] | None = None) -> None:
        """Take new codes, with all tries left; `tries` says how many there are of each from now on."""
        first, second = tries or (self.passcode.tries, self.unblocking_code.tries)
        self.passcode.renew({self.passcode: (passcode, first), self.unblocking_code: (unblocking_code, second)})

    def _management_key(self) -> ManagementKey:
        names = [algorithm.name for algorithm in KEY_BYTES]
        algorithm = Algorithm[
            self.text("management_algorithm", "|".join(names), f"one of {', '.join(names)}", Algorithm.TDES.name)
        ]
        size = 2 * KEY_BYTES[algorithm]
        pattern = rf"[0-9A-Fa-f]{{{size}}}"
        value = self.text("management_key", pattern, f"{size} hex digits", DEFAULT_VALUE.hex())
        return ManagementKey(algorithm, bytes.fromhex(value))

    def _version(self) -> tuple[int, ...]:
        text = self.text("version", r"\d{1,2}\.\d{1,2}\.\d{1,2}", "three numbers like 5.7.0", DEFAULT_VERSION)
        return tuple(int(number) for number in text.split("."))

    def _date(self, name: str) -> datetime.date:
        try:
            return datetime.date.fromisoformat(self.text(name, r"[\d-]{10}", "YYYY-MM-DD"))
        except ValueError:
            raise self._error(name, "a date like 2030-12-31") from None

    def _error(self, name: str, wanted: str) -> CardError:
        return CardError(f'{self.path}: "{name}" must be {wanted}.')


def new_card_file(folder: Path, days: int, **values: object) -> None:
    """Write card.json of a new card that lasts so long, with the usual codes and a GUID of its own and `values`."""
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=days)
    usual = {
        "passcode": USUAL_PASSCODE,
        "unblocking_code": USUAL_UNBLOCKING_CODE,
        "tries": USUAL_TRIES,
        "tries_left": USUAL_TRIES,
        "unblocking_tries": USUAL_TRIES,
        "unblocking_tries_left": USUAL_TRIES,
        "guid": secrets.token_hex(16),
        "expires": expires.isoformat(),
    }
    write_durably(folder / CARD_FILE, json.dumps({**usual, **values}, indent=2).encode() + b"\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(read(path))
    except FileNotFoundError as error:
        raise CardError(f"{path}: {error.strerror}.") from error
    except (ValueError, RecursionError):
        raise CardError(f"{path}: not a JSON file.") from None
    if not isinstance(values, dict):
        raise CardError(f"{path}: must hold one JSON object.")
    return values
