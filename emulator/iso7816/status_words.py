"""Status words: the last two bytes of every answer of a card.

Sources: SP 800-73-4 Part 1, section 5.6 (the ones PIV uses) and ISO/IEC 7816-4, section 5.6
(the ones for commands that no application understands); docs/card.md has a page for each.
"""

from __future__ import annotations

from ..identifiers import Named


class StatusWord(Named):
    """Every status word this card answers with, except the two families with a count inside; and what it says."""

    SUCCESS = 0x9000, "done"
    MEMORY_FAILURE = 0x6581, "the card could not write its memory"
    WRONG_LENGTH = 0x6700, "wrong length"
    LOGICAL_CHANNEL_NOT_SUPPORTED = 0x6881, "logical channel not supported"
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882, "secure messaging not supported"
    CHAINING_NOT_SUPPORTED = 0x6884, "command chaining not supported here"
    SECURITY_STATUS_NOT_SATISFIED = 0x6982, "not allowed before the passcode, or without the management key"
    AUTHENTICATION_METHOD_BLOCKED = 0x6983, "passcode locked"
    CONDITIONS_OF_USE_NOT_SATISFIED = 0x6985, "nothing to do that with"
    INCORRECT_DATA = 0x6A80, "wrong data"
    FUNCTION_NOT_SUPPORTED = 0x6A81, "function not supported"
    OBJECT_NOT_FOUND = 0x6A82, "not found"
    NOT_ENOUGH_MEMORY = 0x6A84, "not enough memory"
    INCORRECT_P1_P2 = 0x6A86, "wrong P1 or P2"
    KEY_REFERENCE_NOT_FOUND = 0x6A88, "no such key reference"
    INSTRUCTION_NOT_SUPPORTED = 0x6D00, "unknown instruction"
    CLASS_NOT_SUPPORTED = 0x6E00, "unknown class"
    INTERNAL_ERROR = 0x6F00, "internal error"

    @property
    def octets(self) -> bytes:
        """SW1 and SW2."""
        return self.to_bytes(2, "big")


TRIES_LEFT = 0x63C0
"""63CX: verification failed, X tries left."""

MORE_DATA = 0x6100
"""61XX: XX more bytes wait for GET RESPONSE; 00 means 256 or more."""


class StatusError(Exception):
    """Ends a command: the card answers with `word` (an int of two bytes) and no data."""

    __slots__ = ("word",)  # refusals are everyday answers

    def __init__(self, word: int) -> None:
        self.word = word

    def __str__(self) -> str:
        """Return it with its meaning."""
        return f"{self.word:04X}: {meaning(self.word)}"


def tries_left(count: int) -> int:
    """Return the status word 63CX for `count` tries left (at most 15)."""
    return TRIES_LEFT | min(count, 0xF)


def more_data(count: int) -> int:
    """Return the status word 61XX for `count` bytes that are waiting."""
    return MORE_DATA | (count if count < 0x100 else 0)


def meaning(word: int) -> str:
    """Return what a status word says, in a few plain words."""
    if word & 0xFF00 == MORE_DATA:
        return f"{word & 0xFF or 256} more bytes waiting"
    if word & 0xFFF0 == TRIES_LEFT:
        return f"wrong passcode or none yet, {word & 0xF} tries left"
    return next((known.words for known in StatusWord if known == word), "unknown status")
