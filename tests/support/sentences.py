"""The sentences that people see in the agent's window, and the catalogues that give them in other languages."""

from __future__ import annotations

import ast
import calendar
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import agent

ROOT = Path(__file__).resolve().parents[2]
WELSH = ROOT / "locale" / "cy" / "LC_MESSAGES" / "lanyard.po"
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Sentence(NamedTuple):
    """A key of a catalogue, and where it counts something, the English for more than one."""

    text: str
    plural: str = ""


def sentences() -> list[Sentence]:
    """Return all sentences of agent.py, in its order and each once."""
    calls = (node for node in ast.walk(ast.parse((ROOT / "agent.py").read_text())) if isinstance(node, ast.Call))
    in_order = sorted(calls, key=lambda node: (node.lineno, node.col_offset))
    said = [found for call in in_order for found in _said_by(call)]
    return list(dict.fromkeys([*said, *map(Sentence, _of_tables())]))


def _said_by(call: ast.Call) -> Iterator[Sentence]:
    """`_("...")` and `counted(number, "noun", "nouns")`. What is no literal is in one of the tables."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    texts = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if name == "_" and texts:
        yield Sentence(texts[0])
    elif name == "counted" and texts:
        noun, plural = (*texts, f"{texts[0]}s")[:2]
        yield Sentence(f"{{}} {noun}", f"{{}} {plural}")


def _of_tables() -> Iterator[str]:
    for fault in agent.Fault:
        yield from filter(None, (fault.says, fault.advice))
    yield from (*agent.FOREIGN_ATRS.values(), *agent.FOREIGN_APPLICATIONS.values(), agent.OWN_CARD)
    yield from agent.HELD_ON_ADVICE.values()
    yield from (*agent.WITHOUT_CARD.values(), agent.MAY_HAVE, agent.HOOKS_AWAY, agent.PROGRAMS_END)
    yield from (agent.NOT_CONFIRMED, agent.TYPE_ON_READER)
    yield from (agent.ChangeScreen.QUESTION, agent.UnlockScreen.QUESTION)
    yield from calendar.month_name[1:]


def catalogue(path: Path) -> dict[Sentence, list[str]]:
    """Return what a .po file says in place of each sentence, in each of its forms. Its header is keyed by ''."""
    said: dict[Sentence, list[str]] = {}
    for entry in re.split(r"\n\s*\n", path.read_text()):
        lines = "\n".join(line for line in entry.splitlines() if not line.startswith("#"))
        parts = re.split(r"^(msgid(?:_plural)?|msgstr(?:\[\d\])?) ", lines, flags=re.MULTILINE)[1:]
        texts = ["".join(map(ast.literal_eval, STRING.findall(text))) for text in parts[1::2]]
        keys = [text for name, text in zip(parts[::2], texts, strict=True) if name.startswith("msgid")]
        if keys:
            said[Sentence(*keys)] = texts[len(keys) :]
    return said
