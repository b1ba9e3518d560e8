"""docs/card.md names tests that exist, and every command, object and status word of the card."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from support.emulator import SELECT_PIV, send

from emulator import VirtualCard
from emulator.identifiers import PASSCODE_PROTECTED_OBJECTS, Instruction, ObjectTag
from emulator.iso7816 import tlv
from emulator.iso7816.status_words import StatusWord
from emulator.piv import commands
from emulator.piv.parsing import _PARSERS

WRITTEN = [
    ObjectTag.SECURITY_OBJECT,
    ObjectTag.FINGERPRINTS,
    ObjectTag.FACIAL_IMAGE,
    ObjectTag.IRIS_IMAGES,
    ObjectTag.BIOMETRIC_TEMPLATES,
    ObjectTag.SECURE_MESSAGING_SIGNER,
    ObjectTag.PAIRING_CODE,
]
COMMANDS = {
    "SELECT",
    "GET DATA",
    "VERIFY",
    "CHANGE REFERENCE DATA",
    "RESET RETRY COUNTER",
    "GENERAL AUTHENTICATE",
    "PUT DATA",
    "GENERATE ASYMMETRIC KEY PAIR",
}
"""SP 800-73-4 Part 2, table 2, page 7."""
STATUS_WORDS = (
    *("61XX", "6300", "63CX", "6882", "6982", "6983", "6987", "6988"),
    *("6A80", "6A81", "6A82", "6A84", "6A86", "6A88", "9000"),
)
"""SP 800-73-4 Part 1, table 6, page 23."""
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "card.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_tests_it_names_exist() -> None:
    named = re.findall(r"tests/[\w/.]+", TEXT)
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_program_test_is_in_it() -> None:
    assert {row[-1] for row in rows("Programs")} == {
        f"tests/ring3/{path.name}" for path in (ROOT / "tests" / "ring3").glob("test_program_*.py")
    }


def tags(row: list[str]) -> set[int]:
    """Return the tags of a row of data objects: some, or FIRST to LAST."""
    numbers = [int(tag, 16) for tag in re.findall(r"[0-9A-F]{2,6}", row[1])]
    return set(range(numbers[0], numbers[1] + 1)) if " to " in row[1] else set(numbers)


def test_it_has_every_command_of_the_standard() -> None:
    assert {row[0] for row in rows("Commands")} >= COMMANDS


def test_its_commands_are_those_the_card_understands() -> None:
    named = {int(number, 16) for row in rows("Commands") for number in row[1].split()}
    assert named == {*map(int, _PARSERS), int(Instruction.GET_RESPONSE)}


def test_every_command_is_one_that_must_be_carried_out() -> None:
    """What is in this type and in no match, mypy finds (assert_never); what commands have in common is not in it."""
    named = {kind for kind in vars(commands).values() if isinstance(kind, type) and issubclass(kind, commands.Command)}
    assert named - {commands.Command, commands.GeneralAuthenticate} == set(get_args(commands.PivCommand))


def test_its_objects_are_all_there_are() -> None:
    named = [tag for row in rows("Data objects") for tag in tags(row)]
    assert sorted(named) == sorted(map(int, ObjectTag))
    assert len(named) == 36


def test_who_may_read_an_object() -> None:
    """Part 1, table 2, pages 14 and 15."""
    protected = [tag for row in rows("Data objects") if row[2] == "PIN" for tag in tags(row)]
    assert set(protected) == set(map(int, PASSCODE_PROTECTED_OBJECTS))


def test_its_status_words_are_those_of_the_card() -> None:
    named = {row[0] for row in rows("Status words")}
    assert named == {f"{word:04X}" for word in StatusWord} | {"61XX", "63CX"}
    assert all(word in named or word in TEXT.split("## Data objects")[0] for word in STATUS_WORDS)


def test_every_rule_has_a_page() -> None:
    sources = {row[0]: row[2] for row in rows("Status words")}
    assert all("Part 1, table 6, page 23" in source for word, source in sources.items() if word in STATUS_WORDS)
    quoted = [source for word, source in sources.items() if word not in STATUS_WORDS]
    assert len(quoted) == 8
    assert all(re.match(r"IAS ECC, section [\d.]+.*, page \d+", source) for source in quoted)
    for heading in ("Commands", "Data objects"):
        assert all(re.search(r"Part [12], .*pages? \d|Yubico", row[-3]) for row in rows(heading))


@pytest.mark.parametrize("tag", WRITTEN, ids=lambda tag: tag.name)
def test_objects_that_are_only_what_is_written(tag: ObjectTag, virtual_card: VirtualCard) -> None:
    number = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    tag_list, content = tlv.encode(0x5C, number), b"\x01\x02\x03"
    own_tag = tag == ObjectTag.BIOMETRIC_TEMPLATES
    written = tlv.encode(tag if own_tag else 0x53, content)
    put = written if own_tag else tag_list + written
    get = f"00CB3FFF{len(tag_list):02X}{tag_list.hex()}00"
    send(virtual_card, SELECT_PIV)
    virtual_card.state.managed = True
    assert send(virtual_card, f"00DB3FFF{len(put):02X}{put.hex()}") == ("", "9000")
    if tag in PASSCODE_PROTECTED_OBJECTS:
        assert send(virtual_card, get) == ("", "6982")
        send(virtual_card, "0020008008313233343536FFFF")
    assert send(virtual_card, get) == (written.hex().upper(), "9000")
