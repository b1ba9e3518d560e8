"""What a card forgets when it loses power or is reset: one object, replaced whole.

What a card keeps is in storage.py. The rules for the security status are SP 800-73-4 Part 2,
sections 2.4 and 3.2; chaining and GET RESPONSE are ISO/IEC 7816-4, sections 5.3.3 and 5.3.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..iso7816.status_words import StatusError, StatusWord
from ..keys.private_key import PrivateKey


@dataclass(slots=True)
class Chain:
    """The links of a chained command that have come so far."""

    header: tuple[int, int, int]
    """INS, P1 and P2, which are the same in every link."""
    data: bytearray = field(default_factory=bytearray, repr=False)


@dataclass(frozen=True, slots=True)
class JustBefore:
    """What the last command did, where that counts for the very next command and for no other."""

    passcode_verified: bool = False
    """It was the VERIFY that succeeded: what key 9C asks for ("PIN Always")."""
    challenge: bytes | None = None
    """It gave out this challenge for the management key (Part 2, section A.1)."""
    witness: bytes | None = field(default=None, repr=False)
    """It gave out this witness, encrypted with the management key (Part 2, section A.2)."""


NOTHING = JustBefore()


@dataclass(slots=True)
class VolatileState:
    """A card just powered on: nothing selected, nothing verified, nothing under way."""

    selected: bool = False
    """The PIV Card Application is the currently selected application."""
    passcode_verified: bool = False
    managed: bool = False
    """The other side has proved that it has the management key."""
    just_before: JustBefore = NOTHING
    """What the command before this one did,"""
    leaves: JustBefore = NOTHING
    """and what this one does, for the next."""
    chain: Chain | None = None
    key_made: PrivateKey | None = field(default=None, repr=False)
    """A key pair made ahead (ahead.py) for the command that is about to ask for it."""
    pending: bytes = b""
    """The rest of an answer, for GET RESPONSE."""

    def need_management(self) -> None:
        """Raise StatusError 6982 unless the management key was proved (Part 2, section 3.3)."""
        if not self.managed:
            raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
