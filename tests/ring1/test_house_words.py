"""What the repository says of itself: a file that is named is there, and each docstring stands alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from support.source import ROOT

import agent
import bridge
import emulator
import kiosk
import spine_stub

SUFFIXES = (".css", ".html", ".ini", ".js", ".md", ".py", ".toml", ".txt", ".yaml")
FOLDERS = ("bridge", "docs", "emulator", "kiosk", "packaging", "spine_stub", "tests")
ADDRESS = re.compile(r"https?://\S+")
DOCUMENT = re.compile(r"[\w./-]*\w\.md\b")
PATH = re.compile(r"(?<![\w/.~*-])(?:bridge|docs|emulator|kiosk|packaging|spine_stub|tests|\.ci)/[\w./-]*\w(?![\w*{])")
MODULE = re.compile(r"(?<![\w./*{-])(?:[a-z_]+/)*[a-z_0-9]+\.py\b")
# A docstring that leans on another one says nothing to whoever reads it alone.
LEANING = re.compile(r"\blikewise\b|\bthe same for\b|\bdone ahead\b|\bditto\b", re.IGNORECASE)


def texts() -> Iterator[Path]:
    """Yield every text of the repository that speaks of its files."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.suffix in SUFFIXES)
    yield ROOT / ".ci" / "run"
    for folder in FOLDERS:
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES)


def read(path: Path) -> str:
    """Return what a file says, of Python docstrings and comments: its code may name files that are not there."""
    text = _words_of(path.read_text()) if path.suffix == ".py" else path.read_text()
    return ADDRESS.sub("", text)


def _words_of(source: str) -> str:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
    comments = re.findall(r"(?:^|\s)#\s(.*)$", source, re.MULTILINE)
    return "\n".join([*(ast.get_docstring(node) or "" for node in nodes), *comments])


def found(pattern: re.Pattern[str], is_wrong: Callable[[str, Path], bool]) -> dict[str, set[str]]:
    """Return, by file, what a pattern finds in it and is wrong."""
    wrong = {
        str(path.relative_to(ROOT)): {name for name in pattern.findall(read(path)) if is_wrong(name, path)}
        for path in texts()
    }
    return {path: names for path, names in wrong.items() if names}


def test_every_document_that_is_cited_is_in_the_repository() -> None:
    def is_missing(name: str, path: Path) -> bool:
        return not any((folder / name).exists() for folder in (ROOT, ROOT / "docs", path.parent))

    assert not found(DOCUMENT, is_missing)


def test_every_section_that_is_cited_is_in_the_protocol() -> None:
    there = set(re.findall(r"^## (\d+)\.", (ROOT / "docs" / "protocol.md").read_text(), re.MULTILINE))
    cited = re.compile(r"protocol\.md\)?, sections? (\d+)(?: and (\d+))?")
    assert {number for path in texts() for pair in cited.findall(read(path)) for number in pair} - {""} <= there


def test_every_path_that_is_named_exists() -> None:
    """But for those of other repositories, which are copies of standards."""
    assert not found(PATH, lambda name, _: not name.endswith(".pdf") and not (ROOT / name).exists())


def test_every_module_that_is_named_exists() -> None:
    """By its own name, or with the folders that it lies in; on a page, also as a file that its reader saves."""
    there = [f"/{path.relative_to(ROOT)}" for path in texts() if path.suffix == ".py"]

    def is_missing(name: str, path: Path) -> bool:
        saved = re.search(rf"`{re.escape(name)}`:$", read(path), re.MULTILINE)
        return not saved and not any(each.endswith(f"/{name}") for each in there)

    assert not found(MODULE, is_missing)


def test_a_command_to_copy_starts_the_python_that_debian_has() -> None:
    programs = re.compile(r"\bpython (?:-m (?:bridge|emulator|kiosk|spine_stub)\b|(?:agent|demo)\.py)")
    assert {str(path) for path in texts() if programs.search(path.read_text())} == set()


def test_every_docstring_stands_alone() -> None:
    assert not found(LEANING, lambda _, path: path.suffix == ".py")


def test_there_is_one_version_number() -> None:
    assert bridge.__version__ == emulator.__version__ == kiosk.__version__ == spine_stub.__version__ == agent.VERSION
    assert f"## {agent.VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_linters_before_a_commit_are_those_of_tox() -> None:
    lint = (ROOT / "tox.ini").read_text().partition("[testenv:lint]")[2].partition("\n[testenv")[0]
    commands = [line.strip() for line in lint.partition("commands =\n")[2].splitlines() if line.strip()]
    assert re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text()) == commands
