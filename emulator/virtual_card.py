"""A card with power: APDUs in, answers out. No reader and no socket.

    with VirtualCard.open("cards/three-roles") as card:
        card.transmit(bytes.fromhex("00A4040005A000000308"))

Whatever bytes come in, some status word comes back, unless a fault was set on purpose (faults/).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .errors import CardError, NoAnswerError
from .faults.layers import Faults, Reply
from .iso7816.apdu import CommandApdu, parse_apdu
from .iso7816.chaining import exchange
from .iso7816.status_words import StatusError, StatusWord
from .piv import application
from .piv.commands import ChangeReferenceData, Command, FactoryReset, ResetRetryCounter, SetTries, VerifyPasscode
from .piv.parsing import parse
from .piv.volatile_state import NOTHING, VolatileState
from .store.card import Card

_log = logging.getLogger(__name__)


ATR = bytes.fromhex(
    "3B"  # TS: direct convention
    "DD"  # T0: TA1, TC1 and TD1 follow, 13 historical bytes
    "18"  # TA1: Fi = 372, Di = 12, as common contact cards
    "FF"  # TC1: minimal guard time
    "81"  # TD1: TD2 follows, protocol T=1
    "B1"  # TD2: TA3, TB3 and TD3 follow, T=1
    "FE"  # TA3: blocks of up to 254 bytes
    "45"  # TB3: waiting times
    "1F"  # TD3: global parameters follow
    "03"  # TA4: clock stop not supported, class A and B
    "80"  # historical bytes in COMPACT-TLV form (ISO/IEC 7816-4, 8.1.1)
    "73C021C0"  # capabilities: select by full or partial name; chaining, extended lengths
    "67 4C414E59415244"  # pre-issuing data: LANYARD
    "55"  # TCK: all bytes after TS add up to 0 by XOR (ISO/IEC 7816-3, 8.2.5)
)
"""Answer to reset, ISO/IEC 7816-3, section 8.2."""


class Exchange(NamedTuple):
    """One command APDU and its answer, for whoever listens. The bytes may hold a passcode."""

    apdu: bytes
    asked: str | None
    """The command in words; None for what is only a part of one, or no command."""
    answer: bytes | None
    """None: none ever came."""
    milliseconds: float
    faults: tuple[str, ...] = ()
    """The kinds of faults that had a hand in it (faults/layers.py)."""
    may_change_tries: bool = False
    """How many tries are left may be another number now."""

    def __repr__(self) -> str:
        """Return no bytes that may be a passcode."""
        return f"<Exchange {self.asked}>"


_CHANGE_TRIES = VerifyPasscode | ChangeReferenceData | ResetRetryCounter | SetTries | FactoryReset


class VirtualCard:
    """What a reader holds: a card with power, and the state that goes with the power."""

    atr = ATR

    def __init__(self, card: Card, faults: Faults | None = None) -> None:
        self.card = card
        self.faults = Faults(card) if faults is None else faults
        """What is wrong with the card."""
        self.faults.card = card
        self.state = VolatileState()
        self.observer: Callable[[Exchange], None] | None = None
        """Told of every command and its answer, when anybody listens."""
        self._command: Command | None = None
        """What the last APDU asked for, if it was a whole command."""

    @classmethod
    def open(cls, folder: Path | str) -> VirtualCard:
        """Return the card of a card folder; raise CardError when anything in it is not as it must be."""
        return cls(Card.open(folder))

    def __enter__(self) -> VirtualCard:
        self.power_on()
        return self

    def __exit__(self, *_error: object) -> None:
        self.power_off()

    def power_on(self) -> bytes:
        """Start afresh and return the ATR."""
        return self.reset()

    def power_off(self) -> None:
        """Forget everything volatile, also for a command that is still being carried out."""
        self.state.powered = False
        self.state = VolatileState()

    def reset(self) -> bytes:
        """Forget everything volatile (the card keeps its power) and return the ATR."""
        self.state = VolatileState()
        return self.answer_to_reset()

    def answer_to_reset(self) -> bytes:
        """Return the ATR, or what a fault says in its place."""
        return self.faults.atr(self.atr)

    def transmit(self, raw: bytes) -> bytes:
        """Return the answer to one command APDU: data, SW1, SW2.

        A slow card is waited for. Raises NoAnswerError when a fault keeps the card from answering.
        """
        reply = self.respond(raw)
        if reply.seconds:
            time.sleep(reply.seconds)
        if reply.data is None:
            raise NoAnswerError("the card was pulled" if reply.pulled else "the card is mute", reply.pulled)
        return reply.data

    def respond(self, raw: bytes) -> Reply:
        """Return what a reader has to do for the answer to one command APDU; a slow card is not waited for."""
        started = time.perf_counter()
        self._command = None
        reply = self.faults.at_contacts(raw, lambda raw: Reply(self._answer(raw)))
        if reply.pulled:
            self.power_off()
        if self.observer:
            milliseconds = (time.perf_counter() - started + reply.seconds) * 1000
            asked = None if self._command is None else str(self._command)
            changes = isinstance(self._command, _CHANGE_TRIES)
            self.observer(Exchange(raw, asked, reply.data, milliseconds, tuple(self.faults.acted), changes))
        return reply

    def _answer(self, raw: bytes) -> bytes:
        state = self.state
        try:
            return exchange(parse_apdu(raw), state.fragments, lambda apdu: self._carry_out(apdu, state))
        except StatusError as error:
            state.leaves = NOTHING  # whatever was refused, it came in between
            return error.word.to_bytes(2, "big")
        except (OSError, CardError) as error:
            _log.error("the card cannot write its memory: %s", error)
            return StatusWord.MEMORY_FAILURE.octets
        except Exception:
            _log.exception("the card failed; it answers 6F00")
            return StatusWord.INTERNAL_ERROR.octets

    def _carry_out(self, apdu: CommandApdu, state: VolatileState) -> bytes:
        """Read a whole command and do what it says, with the faults around that."""
        command = self._command = parse(apdu)
        return self.faults.in_application(apdu, state, lambda _, state: application.respond(command, self.card, state))
