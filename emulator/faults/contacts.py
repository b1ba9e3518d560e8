"""Faults at the contacts: what a card does to single APDUs, to time, and to its own presence (layers.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import FaultError
from ..identifiers import Instruction
from ..iso7816.apdu import CommandApdu
from .layers import Contacts, Fault, FewCommands, Reply

_STATUS_BYTES = 2
_CHAINING = 0x10
_LONGEST_ATR = 33
_LONGEST_EXTRA = 0xF000
_LONGEST_MS = 600_000
"""Ten minutes: the longest that a card may think."""


@dataclass(frozen=True, kw_only=True)
class Pulled(FewCommands):
    """The command arrives, the card is gone; nothing has been done and nothing is answered."""

    kind = "pulled"
    explanation = "Pulled out in the middle of the next command"

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        return Reply(None, pulled=True)


@dataclass(frozen=True, kw_only=True)
class Truncated(FewCommands):
    """The last bytes are missing: of the data, or (`status` False) from the status word on."""

    missing: int = 16
    status: bool = True

    kind = "truncated"
    explanation = "An answer lacks its last bytes"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing < 1:
            raise FaultError("At least one byte is missing.")

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        reply = go_on(raw)
        if reply.data is None:
            return reply
        data, word = reply.data[:-_STATUS_BYTES], reply.data[-_STATUS_BYTES:]
        cut = data[: -self.missing] + word if self.status else reply.data[: -self.missing]
        return reply._replace(data=cut)


@dataclass(frozen=True, kw_only=True)
class Oversized(FewCommands):
    """The data is followed by bytes that do not belong there, more than were asked for."""

    extra: int = 300

    kind = "oversized"
    explanation = "An answer is longer than it may be"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.extra <= _LONGEST_EXTRA:
            raise FaultError(f"1 to {_LONGEST_EXTRA} bytes can be too many.")

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        reply = go_on(raw)
        if reply.data is None:
            return reply
        return reply._replace(data=reply.data[:-_STATUS_BYTES] + b"\xff" * self.extra + reply.data[-_STATUS_BYTES:])


@dataclass(frozen=True)
class Mute(Fault):
    """The card is there, has its answer to reset, and never answers a command."""

    kind = "mute"
    explanation = "Never answers"

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        return Reply(None)


@dataclass(frozen=True)
class Slow(Fault):
    """The card takes its time: this many milliseconds for every command, and more for a signature."""

    command: int = 20
    signature: int = 600

    kind = "slow"
    explanation = "Takes its time"

    PRESETS: ClassVar[dict[str, tuple[int, int]]] = {
        "contact": (20, 600),
        "old-contact": (45, 1600),
        "contactless": (8, 350),
        "worn": (250, 4000),
    }

    def __post_init__(self) -> None:
        if not (0 <= self.command <= _LONGEST_MS and 0 <= self.signature <= _LONGEST_MS):
            raise FaultError(f"Milliseconds are 0 to {_LONGEST_MS}.")

    @classmethod
    def like(cls, preset: str) -> Slow:
        """Return what feels like such a card; raise FaultError when there is no such preset."""
        if preset not in cls.PRESETS:
            raise FaultError(f"There is no preset {preset}; there are: {', '.join(cls.PRESETS)}.")
        return cls(*cls.PRESETS[preset])

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        reply = go_on(raw)
        signs = len(raw) > 1 and raw[1] == Instruction.GENERAL_AUTHENTICATE and not raw[0] & _CHAINING
        milliseconds = self.command + (self.signature if signs else 0)
        return reply._replace(seconds=reply.seconds + milliseconds / 1000)


@dataclass(frozen=True)
class WrongAtr(Fault):
    """Another answer to reset. A reader asks for it when the card goes in or is reset."""

    answer: bytes = bytes.fromhex("3B00")

    kind = "atr"
    explanation = "Another answer to reset"

    def __post_init__(self) -> None:
        if not 1 <= len(self.answer) <= _LONGEST_ATR:
            raise FaultError(f"An answer to reset has 1 to {_LONGEST_ATR} bytes.")

    def atr(self, atr: bytes) -> bytes:
        return self.answer

    def concerns(self, apdu: CommandApdu) -> bool:
        """Return that it affects no command."""
        return False
