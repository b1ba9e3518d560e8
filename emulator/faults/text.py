"""Faults as people and programs write them: a kind, and NAME=VALUE for what is not as usual.

    slow preset=contact
    slow command=20 signature=600
    status word=6581 instruction=VERIFY nth=2
    certificate wrong=expired key=9A

The names are those of the fields in fault_kinds.py, so that the command line, the tray and JSON
know every fault without being told of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from typing import Any

from ..identifiers import Instruction, KeyReference
from . import KINDS, Slow
from .layers import Fault, FaultError
from .wrong_certificates import Wrong

_ANY = "any"


def parse_fault(kind: str, values: Mapping[str, object]) -> Fault:
    """Return the fault of this kind with these values; raise FaultError, which says what there is."""
    if kind not in KINDS:
        raise FaultError(f'There is no fault "{kind}"; there are: {", ".join(KINDS)}.')
    if kind == Slow.kind and set(values) == {"preset"}:
        return Slow.like(str(values["preset"]))
    fields = {field.name: field for field in dataclasses.fields(KINDS[kind])}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        known = ", ".join(fields) or "nothing"
        raise FaultError(f'"{unknown[0]}" is not something that {kind} has; it has: {known}.')
    return KINDS[kind](**{name: _read(fields[name], value) for name, value in values.items()})


def as_json(fault: Fault) -> dict[str, object]:
    """Return kind and values, as parse_fault() takes them, and a sentence for people."""
    values = {field.name: _written(getattr(fault, field.name)) for field in dataclasses.fields(fault)}
    return {"kind": fault.kind, "values": values, "says": in_words(fault)}


def in_words(fault: Fault) -> str:
    """Return what is wrong, for people."""
    usual = type(fault)()
    fields = list(dataclasses.fields(fault))
    said = [
        _SAID[field.name].format(_written(getattr(fault, field.name)))
        for field in fields
        if getattr(fault, field.name) != getattr(usual, field.name) or field.name in _ALWAYS_SAID
    ]
    return f"{fault.explanation} ({', '.join(said)})" if said else fault.explanation


def usual_values(fault: Fault) -> str:
    """Return the values as the command line takes them."""
    return " ".join(f"{field.name}={_written(getattr(fault, field.name))}" for field in dataclasses.fields(fault))


def catalogue() -> list[dict[str, object]]:
    """Return all kinds, with what each is and its fields, for whoever draws a form."""
    return [
        {
            "kind": name,
            "explanation": kind.explanation,
            "fields": [
                {"name": field.name, "usual": _written(field.default), "choices": _choices(field)}
                for field in dataclasses.fields(kind)
            ],
            "presets": {name: list(values) for name, values in Slow.PRESETS.items()} if kind is Slow else {},
        }
        for name, kind in KINDS.items()
    ]


_ALWAYS_SAID = frozenset({"word", "command", "signature", "wrong", "left", "answer"})
_SAID = {
    "instruction": "only {}",
    "nth": "from number {} on",
    "times": "{} times",
    "word": "{}",
    "missing": "{} bytes missing",
    "status": "keeping the status word: {}",
    "extra": "{} bytes too many",
    "command": "{} ms for each command",
    "signature": "{} ms more for a signature",
    "answer": "{}",
    "wrong": "{}",
    "key": "key {}",
    "left": "{} left",
}
_READERS: dict[str, Callable[[str], object]] = {
    "int": int,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "bytes": bytes.fromhex,
    "Wrong": Wrong,
    "KeyReference": lambda text: KeyReference(int(text, 16)),
    "KeyReference | None": lambda text: None if text.lower() == _ANY else KeyReference(int(text, 16)),
    "Instruction | None": lambda text: _instruction(text),
}
_HEX_NUMBERS = frozenset({"word"})


def _read(field: dataclasses.Field[Any], value: object) -> object:
    text = "" if value is None else str(value)
    try:
        if field.name in _HEX_NUMBERS:
            return int(text, 16)
        return _READERS[str(field.type)](text)
    except (ValueError, KeyError):
        choices = _choices(field)
        wanted = f"one of {', '.join(choices)}" if choices else f"something like {_written(field.default)}"
        raise FaultError(f'{field.name} is {wanted}, not "{text}".') from None


def _instruction(text: str) -> Instruction | None:
    if text.lower() == _ANY:
        return None
    name = text.upper().replace(" ", "_").replace("-", "_")
    return Instruction[name] if name in Instruction.__members__ else Instruction(int(text, 16))


def _written(value: object) -> str | int | bool:
    """Return a value so that _read() understands it."""
    match value:
        case None:
            return _ANY
        case StrEnum() | bool():
            return value
        case Instruction():
            return value.name
        case IntEnum():
            return f"{value:02X}"
        case bytes():
            return value.hex().upper()
        case int():
            return value if value < 0x6000 else f"{value:04X}"
    raise TypeError(value)


def _choices(field: dataclasses.Field[Any]) -> list[str]:
    match str(field.type):
        case "Wrong":
            return list(Wrong)
        case "Instruction | None":
            return [_ANY, *(instruction.name for instruction in Instruction)]
        case "KeyReference" | "KeyReference | None" as kind:
            keys = [f"{key:02X}" for key in _KEYS]
            return [_ANY, *keys] if "None" in kind else keys
        case "bool":
            return ["true", "false"]
    return []


_KEYS = (
    KeyReference.AUTHENTICATION,
    KeyReference.SIGNATURE,
    KeyReference.KEY_MANAGEMENT,
    KeyReference.CARD_AUTHENTICATION,
)
