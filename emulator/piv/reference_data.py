"""Passcode and unblocking code, each with its retry counter (SP 800-73-4 Part 2, section 2.4.3).

What makes a counter worth anything: a try is spent on the disk before the comparison, so that no
kill between the two can give it back. New code and full counters are one write after it, so that a
kill leaves the card as it was, less one try, or changed, and nothing in between.
"""

from __future__ import annotations

import hmac
import re
from typing import Protocol

CODE_LENGTH = 8
"""A code is sent as 8 bytes, shorter ones filled with FF (Part 2, section 2.4.3)."""

CODE_PATTERN = r"\d{6,8}"
"""Codes as people choose them: 6 to 8 digits, the rule of the NHS for passcodes."""

MOST_TRIES = 15
"""63CX has room for no more."""

USUAL_PASSCODE = "123456"
USUAL_UNBLOCKING_CODE = "12345678"
USUAL_TRIES = 3
"""What blank cards and the demonstration's cards have."""

_PADDING = b"\xff"
_CODE = re.compile(rb"[0-9]{6,8}")


class ValueFile(Protocol):
    """Where codes and counters are kept: card.json."""

    def text(self, name: str, pattern: str, wanted: str) -> str: ...

    def count(self, name: str, least: int, most: int) -> int: ...

    def update(self, **values: object) -> None: ...


def digits(code: bytes) -> str | None:
    """Return the digits of a code as it is sent; None when it is not one that can be chosen."""
    bare = code.rstrip(_PADDING)
    if len(code) != CODE_LENGTH or not _CODE.fullmatch(bare):
        return None
    return bare.decode()


class ReferenceData:
    """One code. The tries left are in the file under `<tries>_left`, the most under `<tries>`."""

    def __init__(self, file: ValueFile, name: str, tries: str) -> None:
        self._file = file
        self._name, self._tries_name, self._left_name = name, tries, f"{tries}_left"
        self._value = _padded(file.text(name, CODE_PATTERN, "6 to 8 digits"))
        self.tries = file.count(tries, 1, MOST_TRIES)
        self.tries_left = file.count(self._left_name, 0, self.tries)

    def matches(self, presented: bytes) -> bool:
        """Spend a try, compare, and give the tries back if it was right.

        With no try left nothing is compared and the answer is False. Raises OSError or CardError
        when the tries cannot be recorded: whether it was right is not told then.
        """
        if not self._try(presented):
            return False
        self._file.update(**{self._left_name: self.tries})
        self.tries_left = self.tries
        return True

    def change(self, presented: bytes, new: str) -> bool:
        """Spend a try, compare, and if it was right take the new digits and all tries.

        With no try left nothing is compared and the answer is False. Raises as matches() does.
        """
        return self._try(presented) and self.renew({self: (new, self.tries)})

    def unblock(self, presented: bytes, blocked: ReferenceData, new: str) -> bool:
        """As change(), but it is another code that gets the new digits; both get all their tries."""
        return self._try(presented) and self.renew({self: (self.value, self.tries), blocked: (new, blocked.tries)})

    @property
    def value(self) -> str:
        """The digits."""
        return self._value.rstrip(_PADDING).decode()

    def renew(self, codes: dict[ReferenceData, tuple[str, int]]) -> bool:
        """Give codes of this file new digits and so many tries, none spent: all in one write, or none. Return True."""
        values: dict[str, object] = {}
        for code, (text, tries) in codes.items():
            values |= {code._name: text, code._tries_name: tries, code._left_name: tries}
        self._file.update(**values)
        for code, (text, tries) in codes.items():
            code._value, code.tries, code.tries_left = _padded(text), tries, tries
        return True

    def set_tries_left(self, count: int) -> None:
        """Have so many tries left, as no command can. Raises OSError or CardError."""
        self._file.update(**{self._left_name: count})
        self.tries_left = count

    def _try(self, presented: bytes) -> bool:
        if self.tries_left == 0:
            return False
        self._file.update(**{self._left_name: self.tries_left - 1})
        self.tries_left -= 1
        return hmac.compare_digest(presented, self._value)


def _padded(text: str) -> bytes:
    return text.encode().ljust(CODE_LENGTH, _PADDING)
