"""What can be wrong with a card, on demand: faults are data, and this is where they take effect.

    card.faults.add(Status(word=0x6581, instruction=Instruction.VERIFY, nth=2))
    card.faults.add(Slow.like("contact"))
    card.faults.clear()

One rule says which comes first: faults for a number of commands, in the order in which they were
set, then standing ones in theirs, then the card itself. Each is wrapped around all that come after
it, like the layers of an onion: it hands the command on, and changes what comes back; or it does
not, and then those inside it never see that command. The kinds of faults are in contacts.py and application.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..errors import FaultError
from ..identifiers import Instruction
from ..iso7816.apdu import CommandApdu
from ..piv.volatile_state import VolatileState

if TYPE_CHECKING:
    from ..store.card import Card


class Reply(NamedTuple):
    """What comes over the contacts in answer to one command."""

    data: bytes | None
    """Answer data and status word; None: nothing ever comes."""
    seconds: float = 0.0
    """How long the card thinks first."""
    pulled: bool = False
    """Nothing comes because the card has been pulled."""


Contacts = Callable[[bytes], Reply]
Application = Callable[[CommandApdu, VolatileState], bytes]

_HEADER = 4
_CHAINING = 0x10


class Layer(Enum):
    """Where a fault sits."""

    CONTACTS = 1
    """Around the whole card: it sees APDUs one by one, and can change time and presence."""
    APPLICATION = 2
    """Around the application: it sees whole commands and whole answers."""
    MEMORY = 3
    """In what the card keeps: it is done when it is set, and then there is nothing to clear."""


@dataclass(frozen=True)
class Fault:
    """Something wrong with a card until it is cleared. A kind overrides the methods it is about."""

    kind: ClassVar[str]
    explanation: ClassVar[str]
    layer: ClassVar[Layer] = Layer.CONTACTS

    def prepare(self, card: Card) -> None:
        """Do what is done once, when it is set; raise FaultError when the card cannot have it."""

    def concerns(self, apdu: CommandApdu) -> bool:
        """Return whether this command is one that it affects."""
        return True

    def atr(self, atr: bytes) -> bytes:
        """Return what the card says when it gets power."""
        return atr

    def at_contacts(self, raw: bytes, go_on: Contacts) -> Reply:
        """Answer one command APDU as it came over the contacts (Layer.CONTACTS)."""
        return go_on(raw)

    def in_application(self, card: Card, apdu: CommandApdu, state: VolatileState, go_on: Application) -> bytes:
        """Answer one whole command: chained ones are one by now, and the answer is of any length."""
        return go_on(apdu, state)

    def replaces(self, other: Fault) -> bool:
        """Return whether the later takes the place of the earlier, because a card cannot have both."""
        return self.kind == other.kind and getattr(self, "key", None) == getattr(other, "key", None)


@dataclass(frozen=True, kw_only=True)
class FewCommands(Fault):
    """Something wrong with the next commands: `times` of them, from the `nth` of its kind on."""

    instruction: Instruction | None = None
    """Which commands it is about; None: any."""
    nth: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        if self.nth < 1 or self.times < 1:
            raise FaultError("nth and times count from 1.")

    def concerns(self, apdu: CommandApdu) -> bool:
        """Count a chained command once, at its last link."""
        return not apdu.cla & _CHAINING and self.instruction in (None, apdu.ins)


@dataclass
class _Set:
    """A fault that is set, with what is left of it."""

    fault: Fault
    waits: int = 0
    """Commands of its kind that it still lets pass."""
    left: int | None = None
    """Commands that it still affects; None: all, until it is cleared."""

    def takes(self, apdu: CommandApdu) -> bool:
        """Count a command; return whether the fault affects it."""
        if self.left == 0 or not self.fault.concerns(apdu):
            return False
        if self.waits:
            self.waits -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The faults of one card. They stay when it is pulled, and go with the emulator."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.on_change: Callable[[], None] = lambda: None
        """Told when a fault was set, cleared or used up."""
        self.acted: list[str] = []
        """The kinds that had a hand in the command that is being answered, or was last."""
        self._entries: list[_Set] = []
        """In their order of precedence, each with what is left of it."""

    def __iter__(self) -> Iterator[Fault]:
        """Return them in their order of precedence."""
        return (entry.fault for entry in self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, fault: Fault) -> None:
        """Set a fault; raise FaultError when the card cannot have it.

        A standing one takes the place of one of its kind (and key).
        """
        fault.prepare(self.card)
        if isinstance(fault, FewCommands):
            self._entries.append(_Set(fault, fault.nth - 1, fault.times))
        elif fault.layer is not Layer.MEMORY:
            self._entries = [entry for entry in self._entries if not fault.replaces(entry.fault)]
            self._entries.append(_Set(fault))
        self._entries.sort(key=lambda entry: entry.left is None)
        self.on_change()

    def clear(self, kind: str | None = None) -> None:
        """Forget all faults, or those of one kind."""
        self._entries = [entry for entry in self._entries if kind not in (None, entry.fault.kind)]
        self.on_change()

    def atr(self, atr: bytes) -> bytes:
        """Return the answer to reset of a card that has these faults."""
        for entry in reversed(self._entries):
            atr = entry.fault.atr(atr)
        return atr

    def at_contacts(self, raw: bytes, card: Contacts) -> Reply:
        """Answer a command APDU with the faults around the card."""
        self.acted = []
        apdu = CommandApdu(*raw[:_HEADER].ljust(_HEADER, b"\0"))  # a malformed one is still a command
        go_on: Contacts = self._around(card, Layer.CONTACTS, apdu, lambda fault, *them: fault.at_contacts(*them))
        try:
            return go_on(raw)
        finally:
            self._drop_used_up()

    def in_application(self, apdu: CommandApdu, state: VolatileState, application: Application) -> bytes:
        """Carry out a whole command with the faults around the application."""
        go_on: Application = self._around(
            application, Layer.APPLICATION, apdu, lambda fault, *command: fault.in_application(self.card, *command)
        )
        return go_on(apdu, state)

    def _around(
        self, go_on: Callable[..., Any], layer: Layer, apdu: CommandApdu, affected: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Wrap one layer's faults around what carries out a command, the last of them innermost."""
        for entry in reversed(self._entries):
            if entry.fault.layer is layer:
                go_on = functools.partial(self._through, entry, apdu, affected, go_on)
        return go_on

    def _through(
        self, entry: _Set, apdu: CommandApdu, affected: Callable[..., Any], go_on: Callable[..., Any], *command: Any
    ) -> Any:
        """Pass a command through one layer of the onion."""
        if not entry.takes(apdu):
            return go_on(*command)
        self.acted.append(entry.fault.kind)
        return affected(entry.fault, *command, go_on)

    def _drop_used_up(self) -> None:
        if any(entry.left == 0 for entry in self._entries):
            self._entries = [entry for entry in self._entries if entry.left != 0]
            self.on_change()
