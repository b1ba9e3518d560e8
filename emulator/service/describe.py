"""The conversation with a card in words, for the tray, `emulator trace` and the log at DEBUG.

A command says itself what it asks for (piv/commands.py). Bytes that may hold a passcode are never shown.
"""

from __future__ import annotations

from typing import Any

from ..identifiers import Instruction
from ..iso7816.status_words import meaning
from ..virtual_card import Exchange

_CODES = (Instruction.VERIFY, Instruction.CHANGE_REFERENCE_DATA, Instruction.RESET_RETRY_COUNTER)
_SECRET = (*_CODES, Instruction.SET_MANAGEMENT_KEY, Instruction.IMPORT_ASYMMETRIC_KEY)
_HEADER = 4
_STATUS = 2
_CHAINING = 0x10


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


def without_secrets(exchange: Exchange) -> Exchange:
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
