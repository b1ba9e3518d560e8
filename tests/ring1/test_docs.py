"""README and docs say what the programs do: names, options, exit codes, bytes."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import agent
from emulator.virtual_card import ATR
from spine_stub.app import ROUTES
from spine_stub.pki.demo_cards import DEMONSTRATION_CARDS, PASSCODE

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
STORY = ROOT / "docs" / "how-it-works.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

OURS = ("agent.py", "-m bridge", "-m emulator", "-m spine_stub")
COMMANDS = (
    ["agent.py"],
    ["agent.py", "login"],
    ["agent.py", "ticket"],
    ["agent.py", "doctor"],
    *(["-m", "bridge", name] for name in ("authorize", "doctor", "native-host", "serve")),
    ["-m", "emulator"],
    *(["-m", "emulator", name] for name in ("run", "insert", "remove", "list", "status", "trace")),
    ["-m", "spine_stub"],
    *(
        ["-m", "spine_stub", *command]
        for command in (["issue"], ["probe"], ["revoke-ca"], ["person", "add"], ["person", "edit"])
    ),
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


@cache
def help_of(program: str) -> str:
    """Return what --help says of a program, with all its commands."""
    return "".join(
        subprocess.run(
            [sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for command in COMMANDS
        if " ".join(command).startswith(program)
    )


def code(document: Path) -> Iterator[str]:
    """Yield the code of a document: indented lines, and what stands between backquotes."""
    for line in document.read_text().splitlines():
        if line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def table(document: Path, heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading, without backquotes."""
    lines = iter(document.read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            break
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    assert rows, f"no table {heading}"
    return rows


@each_document
def test_links_within_the_repository_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    broken = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert not broken


@each_document
@pytest.mark.parametrize("program", OURS)
def test_command_lines_use_options_that_exist(document: Path, program: str) -> None:
    used = {
        option for line in code(document) if program in line for option in OPTION.findall(line[line.index(program) :])
    }
    assert used <= set(OPTION.findall(help_of(program)))


@each_document
def test_options_named_in_the_text_exist(document: Path) -> None:
    known = set(OPTION.findall("".join(map(help_of, OURS))))
    named = {option for text in code(document) if text.startswith("--") for option in text.split()}
    assert {option for option in named if option.startswith("--")} <= known


def test_what_the_architecture_page_names_is_in_the_file_that_it_names() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`([\w/]+\.(?:py|js))` \(((?:`[\w.]+`(?:, )?)+)\)", page)
    assert len(named) > 10
    missing = {
        (file, name)
        for file, names in named
        for name in re.findall(r"(\w+)`", names)
        if not re.search(rf"\b(?:def|class|function) {name}\b", (ROOT / file).read_text())
    }
    assert not missing


def test_the_exit_codes_are_the_agents() -> None:
    listed = {int(row[0]) for row in table(README, "Exit code")}
    told = set(map(int, re.findall(r"(\d+) [a-z]", agent.EPILOG.partition("exit codes: ")[2])))
    assert listed == told == {0} | {fault.exit_code for fault in agent.Fault}


def test_the_cards_are_those_that_the_broker_makes() -> None:
    listed = [tuple(row[:2]) for row in table(README, "Card")]
    assert listed == [(card.name, card.uid) for card in DEMONSTRATION_CARDS]
    assert f"passcode of every test card is {PASSCODE}" in README.read_text()


def test_the_endpoints_are_the_brokers() -> None:
    listed = {
        (path, frozenset(methods.split(", ")))
        for paths, methods in table(README, "Endpoint")
        for path in paths.split(", ")
    }
    assert listed == {(rule, frozenset(methods)) for rule, methods, _ in ROUTES}


def test_the_settings_in_the_example_exist(tmp_path: Path) -> None:
    (example,) = re.findall(r"^    spine = .*\n(?:    .*\n)+", README.read_text(), re.MULTILINE)
    file = tmp_path / "agent.toml"
    file.write_text(example)
    assert agent.load_settings({}, {"config": file}).kiosk
    (others,) = re.findall(r"also: (.*)", example)
    assert set(others.split(", ")) <= set(agent.Settings.__annotations__)


def story_bytes(beginning: str) -> bytes:
    """Return the first bytes in hex of the story that begin so."""
    (found,) = re.findall(rf"^    ({beginning}[ 0-9A-F]*)$", STORY.read_text(), re.MULTILINE)
    return bytes.fromhex(found)


def test_the_storys_atr_is_the_virtual_cards() -> None:
    assert story_bytes("3B DD") == ATR


def test_the_storys_challenge_is_what_is_signed_in_it() -> None:
    story = STORY.read_text()
    (encoded,) = re.findall(r'"challenge">([A-Za-z0-9+/=]+)<', story)
    challenge = base64.b64decode(encoded)
    rows = [row for row in table(STORY, "Bytes | Value") if row[0].isdigit()]
    assert b"".join(bytes.fromhex(row[1]) for row in rows) == challenge
    assert str(int.from_bytes(challenge[20:28], "big")) in story
    assert story_bytes("64 3F") == hashlib.sha256(challenge).digest()


def test_the_storys_request_is_what_the_agent_sends() -> None:
    link = ScriptedLink()
    agent.PivCard(link).select()
    assert f"> {link.sent[0].hex(' ').upper()}\n" in STORY.read_text()


class ScriptedLink:
    """Answers 9000 to everything."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def transmit(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        return b"\x90\x00"
