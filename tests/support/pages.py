"""The code on a page of docs/: files to save, commands to run, and fragments of Python.

A block is a run of indented lines. It is a file when the text before it ends with the file's name and a colon, as in
"Save this as `test_door.py`:". A command line begins with "$ ".
"""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Block:
    """Indented lines of a page, without the indent, and the line of text before them."""

    before: str
    text: str


@dataclass(frozen=True)
class Page:
    """The blocks of a page in their order."""

    blocks: tuple[Block, ...]

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(tuple(_blocks(path.read_text().splitlines())))


def _blocks(lines: list[str]) -> Iterator[Block]:
    before, block = "", list[str]()
    for line in [*lines, "end"]:
        if line.startswith("    ") or (block and not line.strip()):
            block.append(line)
            continue
        if block:
            yield Block(before, textwrap.dedent("\n".join(block)).strip() + "\n")
            block = []
        before = line.strip() or before


def files_of(page: Page) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file that the page has its reader save."""
    for block in page.blocks:
        if match := re.search(r"`([\w-]+(?:\.\w+)+)`:$", block.before):
            yield match[1], block.text


def command_blocks(page: Page, programs: tuple[str, ...]) -> list[list[str]]:
    """Return the command lines that begin with one of these programs, as lists of words."""
    lines = [line for block in page.blocks for line in block.text.replace("\\\n", " ").splitlines()]
    wanted = tuple(f"$ {program} " for program in programs)
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if f"{line} ".startswith(wanted)]


def imports_of(page: Page) -> str:
    """Return every import of the page's Python, one a line."""
    trees = [tree for block in page.blocks if (tree := _python(block.text))]
    found = {
        ast.unparse(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return "\n".join(sorted(found, key=lambda line: "__future__" not in line))


def _python(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None
