"""Faults as people and programs write them: a kind, and NAME=VALUE for what is not as usual.

    slow preset=contact
    slow command=20 signature=600
    status word=6581 instruction=VERIFY nth=2
    certificate wrong=expired key=9A

The names are those of the fields in contacts.py and application.py, so that the command line, the tray and JSON
know every fault without being told of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import FaultError
from ..identifiers import Instruction, KeyReference
from . import KINDS, Slow
from .layers import Fault
from .wrong_certificates import Wrong

_ANY = "any"


def parse_fault(kind: str, values: Mapping[str, object]) -> Fault:
    """Return the fault of this kind with these values; raise FaultError, which says what there is."""
    if kind not in KINDS:
        raise FaultError(f'There is no fault "{kind}"; there are: {", ".join(KINDS)}.')
    if kind == Slow.kind and set(values) == {"preset"}:
        return Slow.like(str(values["preset"]))
    fields = [field.name for field in dataclasses.fields(KINDS[kind])]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        known = ", ".join(fields) or "nothing"
        raise FaultError(f'"{unknown[0]}" is not something that {kind} has; it has: {known}.')
    return KINDS[kind](**{name: _read(KINDS[kind], name, value) for name, value in values.items()})


def as_json(fault: Fault) -> dict[str, object]:
    """Return kind and values, as parse_fault() takes them, and a sentence for people."""
    return {"kind": fault.kind, "values": _written(fault), "says": in_words(fault)}


def in_words(fault: Fault) -> str:
    """Return what is wrong, for people."""
    usual, values = type(fault)(), _written(fault)
    said = [
        _VALUES[name].says.format(value)
        for name, value in values.items()
        if getattr(fault, name) != getattr(usual, name) or _VALUES[name].always_said
    ]
    return f"{fault.explanation} ({', '.join(said)})" if said else fault.explanation


def usual_values(fault: Fault) -> str:
    """Return the values as the command line takes them."""
    return " ".join(f"{name}={value}" for name, value in _written(fault).items())


def catalogue() -> list[dict[str, object]]:
    """Return all kinds, with what each is and its fields, for whoever draws a form."""
    return [
        {
            "kind": name,
            "explanation": kind.explanation,
            "fields": [
                {"name": field, "usual": usual, "choices": _choices(kind, field)}
                for field, usual in _written(kind()).items()
            ],
            "presets": {name: list(values) for name, values in Slow.PRESETS.items()} if kind is Slow else {},
        }
        for name, kind in KINDS.items()
    ]


@dataclass(frozen=True)
class _Value:
    """How people write one value of a fault; `write` undoes `read`."""

    read: Callable[[str], object]
    says: str
    """The value in a sentence."""
    write: Callable[[Any], str | int | bool] = lambda value: value
    choices: tuple[str, ...] = ()
    always_said: bool = False


def _read_instruction(text: str) -> Instruction | None:
    if text.lower() == _ANY:
        return None
    name = text.upper().replace(" ", "_").replace("-", "_")
    return Instruction[name] if name in Instruction.__members__ else Instruction(int(text, 16))


def _read_key(text: str) -> KeyReference | None:
    return None if text.lower() == _ANY else KeyReference(int(text, 16))


_INSTRUCTIONS = tuple(instruction.name for instruction in Instruction)
_KEYS = ("9A", "9C", "9D", "9E")
_VALUES = {
    "instruction": _Value(
        _read_instruction, "only {}", lambda value: value.name if value else _ANY, (_ANY, *_INSTRUCTIONS)
    ),
    "nth": _Value(int, "from number {} on"),
    "times": _Value(int, "{} times"),
    "word": _Value(lambda text: int(text, 16), "{}", "{:04X}".format, always_said=True),
    "missing": _Value(int, "{} bytes missing"),
    "status": _Value(
        lambda text: {"true": True, "false": False}[text.lower()],
        "keeping the status word: {}",
        choices=("true", "false"),
    ),
    "extra": _Value(int, "{} bytes too many"),
    "command": _Value(int, "{} ms for each command", always_said=True),
    "signature": _Value(int, "{} ms more for a signature", always_said=True),
    "answer": _Value(bytes.fromhex, "{}", lambda value: value.hex().upper(), always_said=True),
    "wrong": _Value(Wrong, "{}", choices=tuple(Wrong), always_said=True),
    "key": _Value(_read_key, "key {}", lambda key: f"{key:02X}" if key else _ANY, (_ANY, *_KEYS)),
    "left": _Value(int, "{} left", always_said=True),
}
"""By name, which means the same in every kind of fault."""


def _read(kind: type[Fault], name: str, value: object) -> object:
    text = "" if value is None else str(value)
    choices = _choices(kind, name)
    try:
        if text.lower() == _ANY and _ANY not in choices:
            raise ValueError("it is about one of them")
        return _VALUES[name].read(text)
    except (ValueError, KeyError):
        wanted = f"one of {', '.join(choices)}" if choices else f"something like {_written(kind())[name]}"
        raise FaultError(f'{name} is {wanted}, not "{text}".') from None


def _written(fault: Fault) -> dict[str, str | int | bool]:
    """Return the values by name, so that _read() understands them."""
    names = [field.name for field in dataclasses.fields(fault)]
    return {name: _VALUES[name].write(getattr(fault, name)) for name in names}


def _choices(kind: type[Fault], name: str) -> list[str]:
    """Return what there is to choose from; "any" only where that is how the fault usually is."""
    choices = _VALUES[name].choices
    return [choice for choice in choices if choice != _ANY or getattr(kind(), name) is None]
