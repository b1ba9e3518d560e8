"""docs/testing-with-the-card.md says what there is: faults, their values, fixtures, lines of the trace."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from pathlib import Path

from emulator import pytest_plugin
from emulator.faults import KINDS, Slow
from emulator.service.journal import Said
from emulator.virtual_card import Exchange

TEXT = (Path(__file__).parents[2] / "docs" / "testing-with-the-card.md").read_text()


def test_the_made_up_program_is_the_one_that_is_tested() -> None:
    door = (Path(__file__).parents[1] / "examples" / "door.py").read_text()
    assert textwrap.indent(door, "    ") in TEXT


def rows(heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_fault_is_in_the_table_with_its_values() -> None:
    told = {
        name.strip("`"): set(values.replace(" or preset", "").replace(",", "").split())
        for name, _, values in rows("Fault")
    }
    assert told == {name: {field.name for field in dataclasses.fields(kind)} for name, kind in KINDS.items()}


def test_the_presets_are_told() -> None:
    told = re.findall(r"`([\w-]+)` \((\d+)(?: ms)?, (\d+)", TEXT)
    assert {name: (int(command), int(signature)) for name, command, signature in told} == Slow.PRESETS


def test_every_fixture_is_in_the_table() -> None:
    there = {name for name in vars(pytest_plugin) if name.startswith("piv_")}
    assert {name.strip("`") for name, _ in rows("Fixture")} == there


def test_every_part_of_a_line_of_the_trace_is_told() -> None:
    said = Said(1, 0.0, "127.0.0.1:35963", "one-role", Exchange(b"\0\xa4\4\0", None, b"\x90\0", 0.1)).as_json()
    told = TEXT.partition("one JSON object a line:\n  `number`")[2]
    assert set(said) == {"number", *re.findall(r"`(\w+)`", told)}
