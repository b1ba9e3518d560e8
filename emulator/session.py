"""What a command of the PIV Card Application works on."""

from __future__ import annotations

from typing import NamedTuple

from .card import Card
from .state import JustBefore, VolatileState
from .status import StatusError, StatusWord


class Session(NamedTuple):
    """The card, what it will forget, and what the command just before did."""

    card: Card
    state: VolatileState
    before: JustBefore

    def need_management(self) -> None:
        """Raise StatusError 6982 unless the management key was proved (Part 2, section 3.3)."""
        if not self.state.managed:
            raise StatusError(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
