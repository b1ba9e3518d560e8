"""What a card forgets when it loses power or is reset: one object, replaced whole.

The rules for the security status are SP 800-73-4 Part 2, sections 2.4 and 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..iso7816.chaining import Fragments
from ..iso7816.status_words import StatusError, StatusWord


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
    fragments: Fragments = field(default_factory=Fragments)
    """The command or answer that is under way."""
    powered: bool = True
    """False when the power has gone while a command was still being carried out."""

    def need_management(self) -> None:
        """Raise StatusError 6982 unless the management key was proved (Part 2, section 3.3)."""
        if not self.managed:
            raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
