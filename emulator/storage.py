"""The card folder: what a card keeps, as plain files that a developer can read and edit.

    DIR/cards/NAME/card.json     {"passcode": "123456",            6 to 8 digits
                                  "unblocking_code": "12345678",   8 digits
                                  "tries": 3, "tries_left": 3,     1 to 15; none left: locked
                                  "unblocking_tries": 3, "unblocking_tries_left": 3,
                                  "guid": "<32 hex digits>",       the card's number, and the
                                  "expires": "YYYY-MM-DD"}         card's own expiry: its CHUID
    DIR/cards/NAME/9A.key.pem    PKCS#8, unencrypted: test keys only. RSA 2048 or EC P-256
    DIR/cards/NAME/9A.cert.pem   X.509; its subject's CN is the holder's uid
                                 9C, 9D and 9E likewise; a card may lack any of these eight

Edits count from the card's next insertion. The emulator itself writes only card.json, and there
only the tries left: what it does not know, and what was edited meanwhile, stays. A write is atomic
(new file, rename) and made before it counts, so that no kill of this process gives a try back. The
last try is on the disk, too, before it counts (fsync): a card locked today is locked tomorrow even
when the PC loses power. The others are not, because that can take longer than all else in a sign-in.
"""

from __future__ import annotations

import datetime
import hmac
import json
import os
import re
from pathlib import Path
from typing import Any

from .commands import PASSCODE_LENGTH

CARD_FILE = "card.json"
_MOST_TRIES = 15
_PADDING = b"\xff"


class CardError(Exception):
    """A card folder that cannot be used; the text is one plain sentence."""


class CardFile:
    """card.json of one card: read and checked once, rewritten whole when a value changes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CARD_FILE
        self._values = _read(self.path)
        self.guid = bytes.fromhex(self._text("guid", r"[0-9A-Fa-f]{32}", "32 hex digits"))
        self.expires = self._date("expires")
        self.passcode = ReferenceData(self, self._text("passcode", r"\d{6,8}", "6 to 8 digits"), "tries")
        self.unblocking_code = ReferenceData(
            self, self._text("unblocking_code", r"\d{8}", "8 digits"), "unblocking_tries"
        )

    def count(self, name: str, least: int, most: int) -> int:
        """Return a whole number from the file; raise CardError when it is not in the range."""
        value = self._values.get(name)
        if type(value) is not int or not least <= value <= most:
            raise self._error(name, f"a whole number from {least} to {most}")
        return value

    def update(self, name: str, value: int) -> None:
        """Change one value in the file; raise OSError or CardError when that cannot be done."""
        values = {**_read(self.path), name: value}
        write_atomically(self.path, json.dumps(values, indent=2).encode() + b"\n", durably=value == 0)

    def _text(self, name: str, pattern: str, wanted: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise self._error(name, wanted)
        return value

    def _date(self, name: str) -> datetime.date:
        try:
            return datetime.date.fromisoformat(self._text(name, r"[\d-]{10}", "YYYY-MM-DD"))
        except ValueError:
            raise self._error(name, "a date like 2030-12-31") from None

    def _error(self, name: str, wanted: str) -> CardError:
        return CardError(f'{self.path}: "{name}" must be {wanted}.')


class ReferenceData:
    """A passcode with its retry counter (SP 800-73-4 Part 2, section 2.4.3).

    The tries left are in the file under `<tries>_left`, the most there can be under `<tries>`.
    """

    def __init__(self, file: CardFile, value: str, tries: str) -> None:
        self._file = file
        self._value = value.encode().ljust(PASSCODE_LENGTH, _PADDING)
        self._left_name = f"{tries}_left"
        self._tries = file.count(tries, 1, _MOST_TRIES)
        self.tries_left = file.count(self._left_name, 0, self._tries)

    def matches(self, presented: bytes) -> bool:
        """Spend a try, compare, and give the tries back if it was right.

        The try is spent in the file before the comparison, so that no kill between the two can
        give it back. With no try left nothing is compared and the answer is False. Raises OSError
        or CardError when the tries cannot be recorded: whether it was right is not told then.
        """
        if self.tries_left == 0:
            return False
        self._record(self.tries_left - 1)
        if not hmac.compare_digest(presented, self._value):
            return False
        self._record(self._tries)
        return True

    def _record(self, tries_left: int) -> None:
        self._file.update(self._left_name, tries_left)
        self.tries_left = tries_left


def write_atomically(path: Path, content: bytes, *, durably: bool) -> None:
    """Replace a file so that, whatever kills us, either the old or the new one is there.

    `durably`: return when the new one would outlast a loss of power.
    """
    temporary = path.with_name(f".{path.name}.new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        if durably:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if durably:
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise CardError(f"{path}: {error.strerror}.") from error
    except (ValueError, RecursionError):
        raise CardError(f"{path}: not a JSON file.") from None
    if not isinstance(values, dict):
        raise CardError(f"{path}: must hold one JSON object.")
    return values
