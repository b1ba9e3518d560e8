"""Status words: the last two bytes of every answer of a card.

Sources: SP 800-73-4 Part 1, section 5.6 (the ones PIV uses) and ISO/IEC 7816-4, section 5.6
(the ones for commands that no application understands); docs/card.md has a page for each.
"""

from __future__ import annotations

from enum import IntEnum


class StatusWord(IntEnum):
    """Every status word this card answers with, except the two families with a count inside."""

    SUCCESS = 0x9000
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    LOGICAL_CHANNEL_NOT_SUPPORTED = 0x6881
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    CHAINING_NOT_SUPPORTED = 0x6884
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    CONDITIONS_OF_USE_NOT_SATISFIED = 0x6985
    INCORRECT_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    OBJECT_NOT_FOUND = 0x6A82
    NOT_ENOUGH_MEMORY = 0x6A84
    INCORRECT_P1_P2 = 0x6A86
    KEY_REFERENCE_NOT_FOUND = 0x6A88
    INSTRUCTION_NOT_SUPPORTED = 0x6D00
    CLASS_NOT_SUPPORTED = 0x6E00
    INTERNAL_ERROR = 0x6F00

    @property
    def octets(self) -> bytes:
        """SW1 and SW2."""
        return self.to_bytes(2, "big")


TRIES_LEFT = 0x63C0
"""63CX: verification failed, X tries left."""

MORE_DATA = 0x6100
"""61XX: XX more bytes wait for GET RESPONSE; 00 means 256 or more."""

_MEANINGS: dict[int, str] = {
    StatusWord.SUCCESS: "done",
    StatusWord.MEMORY_FAILURE: "the card could not write its memory",
    StatusWord.WRONG_LENGTH: "wrong length",
    StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED: "logical channel not supported",
    StatusWord.SECURE_MESSAGING_NOT_SUPPORTED: "secure messaging not supported",
    StatusWord.CHAINING_NOT_SUPPORTED: "command chaining not supported here",
    StatusWord.SECURITY_STATUS_NOT_SATISFIED: "not allowed before the passcode, or without the management key",
    StatusWord.AUTHENTICATION_METHOD_BLOCKED: "passcode locked",
    StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED: "nothing to do that with",
    StatusWord.INCORRECT_DATA: "wrong data",
    StatusWord.FUNCTION_NOT_SUPPORTED: "function not supported",
    StatusWord.OBJECT_NOT_FOUND: "not found",
    StatusWord.NOT_ENOUGH_MEMORY: "not enough memory",
    StatusWord.INCORRECT_P1_P2: "wrong P1 or P2",
    StatusWord.KEY_REFERENCE_NOT_FOUND: "no such key reference",
    StatusWord.INSTRUCTION_NOT_SUPPORTED: "unknown instruction",
    StatusWord.CLASS_NOT_SUPPORTED: "unknown class",
    StatusWord.INTERNAL_ERROR: "internal error",
}


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
    return _MEANINGS.get(word, "unknown status")
