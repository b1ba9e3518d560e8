"""The conversation with a card in words: for the log at DEBUG and for `emulator trace`.

Works from the bytes alone, so that it costs nothing while nobody listens, and never fails: what it
does not understand it calls by its number. Bytes that may hold a passcode are never shown.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..identifiers import PIV_AID, Algorithm, Instruction, ObjectTag
from ..iso7816 import tlv
from ..iso7816.apdu import CommandApdu, parse_apdu
from ..iso7816.status_words import StatusError, meaning
from .words import plain_words

_CODES = frozenset({Instruction.VERIFY, Instruction.CHANGE_REFERENCE_DATA, Instruction.RESET_RETRY_COUNTER})
_SECRET = _CODES | {Instruction.SET_MANAGEMENT_KEY, Instruction.IMPORT_ASYMMETRIC_KEY}
_COUNTS_TRIES = _CODES | {Instruction.SET_TRIES, Instruction.FACTORY_RESET}
_HEADER = 4
_STATUS = 2
_CHAINING = 0x10
_TAG_LIST = 0x5C


class Exchange(NamedTuple):
    """One command and its answer, which is None when none ever came."""

    command: bytes
    answer: bytes | None
    milliseconds: float
    faults: tuple[str, ...] = ()
    """The kinds of faults that had a hand in it (faults.py)."""

    @property
    def changes_tries(self) -> bool:
        """It is a command that may change how many tries are left."""
        raw = self.command
        if len(raw) < _HEADER or raw[1] not in _COUNTS_TRIES:
            return False
        return raw[1] != Instruction.VERIFY or len(raw) > _HEADER + 1  # without data it only asks

    def as_json(self) -> dict[str, object]:
        """Return it in words, with the bytes that may be shown, for a JSON line."""
        status, says = _ending(self.answer)
        answer = self.answer or b""
        return {
            "says": plain_words(self.command),
            "command": in_words(self.command),
            "apdu": blanked(self.command),
            "status": status,
            "meaning": says,
            "answer": answer[:-_STATUS].hex(" ").upper(),
            "answer_bytes": max(0, len(answer) - _STATUS),
            "milliseconds": round(self.milliseconds, 3),
            "faults": list(self.faults),
        }

    def __str__(self) -> str:
        """Return one line for people."""
        return one_line(self.as_json())

    def __repr__(self) -> str:
        """Return that line: no bytes that may be a passcode."""
        return f"<Exchange {self}>"


def _ending(answer: bytes | None) -> tuple[str, str]:
    """Return the status word of an answer and its meaning."""
    if answer is None:
        return "", "no answer"
    if len(answer) < _STATUS:
        return "", "no status word"
    status = int.from_bytes(answer[-_STATUS:], "big")
    return f"{status:04X}", meaning(status)


def one_line(said: dict[str, Any]) -> str:
    """Return what Exchange.as_json says as one line for people; other lines say themselves."""
    if "command" not in said:
        return str(said.get("says", ""))
    ending = " ".join(filter(None, (said["status"], said["meaning"])))
    faults = f" (fault: {', '.join(said['faults'])})" if said["faults"] else ""
    return f"{said['command']}: {ending}, {said['answer_bytes']} bytes, {said['milliseconds']} ms{faults}"


def without_secrets(exchange: Exchange) -> Exchange:
    """Return the exchange with zeros for the bytes of a passcode: nothing that keeps it has them."""
    raw = exchange.command
    if len(raw) <= _HEADER or raw[1] not in _SECRET:
        return exchange
    return exchange._replace(command=raw[: _HEADER + 1].ljust(len(raw), b"\0"))


def blanked(raw: bytes) -> str:
    """Return a command in hex, with everything after the header of a passcode command blanked."""
    if len(raw) > 1 and raw[1] in _SECRET:
        return raw[:_HEADER].hex(" ").upper() + " .." * max(0, len(raw) - _HEADER)
    return raw.hex(" ").upper()


def in_words(raw: bytes) -> str:
    """Return what a command asks for."""
    try:
        apdu = parse_apdu(raw)
    except StatusError:
        return f"malformed command of {len(raw)} bytes"
    name = _name(Instruction, apdu.ins, "INS")
    detail = _detail(apdu)
    if apdu.cla == _CHAINING:
        detail += ", to be continued"
    return f"{name} {detail}".strip()


def _detail(apdu: CommandApdu) -> str:
    match apdu.ins:
        case Instruction.SELECT:
            ours = apdu.data and PIV_AID.startswith(apdu.data)
            return "PIV" if ours else f"application {apdu.data.hex().upper()}"
        case Instruction.GET_DATA:
            return _object_name(apdu.data)
        case Instruction.GENERAL_AUTHENTICATE:
            algorithm = _name(Algorithm, apdu.p1, "algorithm")
            return f"{algorithm} with key {apdu.p2:02X}, {len(apdu.data)} bytes"
        case Instruction.VERIFY:
            asked = "forget" if apdu.p1 else "status"
            return "passcode" if apdu.data else asked
        case Instruction.GET_RESPONSE:
            return ""
        case _:
            return f"P1 {apdu.p1:02X} P2 {apdu.p2:02X}, {len(apdu.data)} bytes"


def _object_name(data: bytes) -> str:
    try:
        tag = int.from_bytes(tlv.parse(data)[_TAG_LIST], "big")
    except (tlv.TlvError, KeyError):
        return "of an unreadable tag list"
    return _name(ObjectTag, tag, "object")


def _name(kind: type[Instruction | Algorithm | ObjectTag], number: int, otherwise: str) -> str:
    try:
        return kind(number).name.replace("_", " ")
    except ValueError:
        return f"{otherwise} {number:02X}"
