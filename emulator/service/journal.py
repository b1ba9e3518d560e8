"""What was said to the cards lately, in words, and who listens: the tray, `emulator trace`, the log at DEBUG.

A command says itself what it asks for (piv/commands.py). A line for people is made only when somebody reads
it. Bytes that may hold a passcode are not kept and never shown.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ..identifiers import Instruction
from ..iso7816.status_words import meaning
from ..virtual_card import Exchange

_LATELY = 300
_CODES = (Instruction.VERIFY, Instruction.CHANGE_REFERENCE_DATA, Instruction.RESET_RETRY_COUNTER)
_SECRET = (*_CODES, Instruction.SET_MANAGEMENT_KEY, Instruction.IMPORT_ASYMMETRIC_KEY)
_HEADER = 4
_STATUS = 2
_CHAINING = 0x10


class Said(NamedTuple):
    """A command with its answer, or (`happened`) what happened to the card."""

    number: int
    at: float
    """Seconds since 1970."""
    reader: str
    card: str
    exchange: Exchange | None = None
    happened: str = ""

    def as_json(self) -> dict[str, object]:
        """Return it in words, for a JSON line."""
        said = as_json(self.exchange) if self.exchange else {"says": self.happened}
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        return {"number": self.number, "time": when, "reader": self.reader, "card": self.card, **said}


Listener = Callable[[Said], None]


class Conversation:
    """Numbers what is said, keeps the last of it, tells those who listen now."""

    def __init__(self) -> None:
        self._lately: deque[Said] = deque(maxlen=_LATELY)
        self._listeners: list[Listener] = []
        self._number = 0

    def listen(self, listener: Listener) -> None:
        """Tell somebody of everything from now on; who listens already is told once."""
        self._listeners = [*(other for other in self._listeners if other != listener), listener]

    def leave(self, listener: Listener) -> None:
        """Tell somebody no more."""
        self._listeners = [other for other in self._listeners if other != listener]

    def since(self, number: int) -> Iterator[Said]:
        """Yield what was said after this number, as far as it is kept; all, if it never came so far."""
        if number > self._number:
            number = 0
        return (said for said in list(self._lately) if said.number > number)

    def say(self, reader: str, card: str, exchange: Exchange | None, happened: str = "") -> None:
        """Take a command with its answer, or what happened to a card in a reader."""
        self._number += 1
        kept = exchange and _without_secrets(exchange)
        said = Said(self._number, time.time(), reader, card, kept, happened)
        self._lately.append(said)
        for listener in self._listeners:  # a list that is never changed, but replaced
            listener(said)


def as_json(exchange: Exchange) -> dict[str, object]:
    """Return an exchange in words, with the bytes that may be shown, for a JSON line."""
    status, says = _ending(exchange.answer)
    answer = exchange.answer or b""
    return {
        "says": exchange.asked or _from_the_header(exchange.apdu),
        "command": _header_in_words(exchange.apdu),
        "apdu": blanked(exchange.apdu),
        "status": status,
        "meaning": says,
        "answer": answer[:-_STATUS].hex(" ").upper(),
        "answer_bytes": max(0, len(answer) - _STATUS),
        "milliseconds": round(exchange.milliseconds, 3),
        "faults": list(exchange.faults),
    }


def one_line(said: dict[str, Any]) -> str:
    """Return what as_json() says as one line for people; other lines say themselves."""
    if "command" not in said:
        return str(said.get("says", ""))
    ending = " ".join(filter(None, (said["status"], said["meaning"])))
    faults = f" (fault: {', '.join(said['faults'])})" if said["faults"] else ""
    asked = f"{said['says']} [{said['command']}]"
    return f"{asked}: {ending}, {said['answer_bytes']} bytes, {said['milliseconds']} ms{faults}"


def _without_secrets(exchange: Exchange) -> Exchange:
    """Return the exchange with zeros for the bytes of a passcode: nothing that keeps it has them."""
    raw = exchange.apdu
    if len(raw) <= _HEADER or raw[1] not in _SECRET:
        return exchange
    return exchange._replace(apdu=raw[: _HEADER + 1].ljust(len(raw), b"\0"))


def blanked(raw: bytes) -> str:
    """Return a command in hex, with everything after the header of a passcode command blanked."""
    if len(raw) > 1 and raw[1] in _SECRET:
        return raw[:_HEADER].hex(" ").upper() + " .." * max(0, len(raw) - _HEADER)
    return raw.hex(" ").upper()


def _ending(answer: bytes | None) -> tuple[str, str]:
    """Return the status word of an answer and its meaning."""
    if answer is None:
        return "", "no answer"
    if len(answer) < _STATUS:
        return "", "no status word"
    status = int.from_bytes(answer[-_STATUS:], "big")
    return f"{status:04X}", meaning(status)


def _from_the_header(raw: bytes) -> str:
    """Return what an APDU is that has not become a command."""
    if len(raw) < _HEADER:
        return f"Something that is no command, {len(raw)} bytes"
    if raw[0] == _CHAINING:
        return "A part of a long command"
    if raw[1] == Instruction.GET_RESPONSE:
        return "Fetch the rest of the answer"
    return "A command whose lengths do not add up"


def _header_in_words(raw: bytes) -> str:
    """Return instruction, P1 and P2, as whoever has the standard at hand looks for them."""
    if len(raw) < _HEADER:
        return "malformed"
    known = raw[1] in list(Instruction)
    name = Instruction(raw[1]).name.replace("_", " ") if known else f"INS {raw[1]:02X}"
    return f"{name}, P1 {raw[2]:02X}, P2 {raw[3]:02X}"
