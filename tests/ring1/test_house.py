"""The house rules of the repository, checked on its source: who may name whom, and where."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "agent.py"
PARTS = ("agent", "demo", "emulator", "spine_stub", "bridge", "kiosk")
ALLOWED = {"demo.py": {"agent"}, "kiosk/doctor": {"agent"}}  # the arrows that there are
# agent.py's sections, in their order, each using only those above it.
SECTIONS = (
    "Constants and enums",
    "Errors",
    "TLV and APDU",
    "Card session",
    "PKCS#11 tokens",
    "CMS and XML messages",
    "Broker client",
    "Login table",
    "Worker bridge",
    "Front ends",
    "Ticket socket",
    "Configuration and logging",
    "Main",
)
# The most lines of each part of agent.py, from the first of its sections to the next part's.
BUDGET = {
    "": 579,  # everything before the cards
    "Card session": 739,
    "PKCS#11 tokens": 416,
    "CMS and XML messages": 192,
    "Broker client": 342,
    "Login table": 293,
    "Worker bridge": 1329,
    "Front ends": 2270,
    "Ticket socket": 907,
    "Configuration and logging": 629,
}
MOST_LINES = 7696
# The sections of agent.py that may name a library.
HOME_OF = {
    "accesskit": {"Front ends"},
    "ctypes": {"Card session", "PKCS#11 tokens", "Worker bridge"},
    "PyKCS11": {"PKCS#11 tokens"},
    "tkinter": {"Front ends"},
}


def sources() -> Iterator[Path]:
    for part in PARTS:
        if (ROOT / f"{part}.py").exists():
            yield ROOT / f"{part}.py"
        yield from sorted((ROOT / part).rglob("*.py"))


def part_of(source: Path) -> str:
    return source.relative_to(ROOT).parts[0].removesuffix(".py")


def folder_of(source: Path) -> str:
    """The folder in its part that a source lies in, or a file of its own."""
    return "/".join(source.relative_to(ROOT).parts[:2])


def imported(node: ast.AST) -> list[str]:
    """Return the top-level modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


def names(node: ast.AST, library: str) -> bool:
    return library in imported(node) or (isinstance(node, ast.Name) and node.id == library)


def is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize("source", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_part_imports_another(source: Path) -> None:
    others = set(PARTS) - {part_of(source)}
    named = {name for node in ast.walk(ast.parse(source.read_text())) for name in imported(node)}
    assert named & others <= ALLOWED.get(folder_of(source), set())


@pytest.fixture
def agent_lines() -> list[str]:
    return AGENT.read_text().splitlines()


def banners(lines: list[str]) -> list[tuple[int, str]]:
    """Return line number and name of each section's banner."""
    found = ((n, re.fullmatch(r"# --- (.+?) -+", line)) for n, line in enumerate(lines, 1))
    return [(number, match[1]) for number, match in found if match]


def test_the_agent_stays_within_its_budget(agent_lines: list[str]) -> None:
    starts = {"": 1} | {name: number for number, name in banners(agent_lines) if name in BUDGET}
    ends = [*list(starts.values())[1:], len(agent_lines) + 1]
    lengths = {name: end - start for (name, start), end in zip(starts.items(), ends, strict=True)}
    assert list(lengths) == list(BUDGET)
    assert not {name: (lengths[name], most) for name, most in BUDGET.items() if lengths[name] > most}
    assert len(agent_lines) <= MOST_LINES


def test_the_agent_keeps_its_sections_in_order(agent_lines: list[str]) -> None:
    assert [name.casefold() for _, name in banners(agent_lines)] == [name.casefold() for name in SECTIONS]


@pytest.mark.parametrize("library", HOME_OF)
def test_only_its_sections_of_the_agent_name(agent_lines: list[str], library: str) -> None:
    starts = banners(agent_lines)
    lines = {
        node.lineno
        for node in ast.walk(ast.parse("\n".join(agent_lines)))
        if names(node, library) and not (is_import(node) and node.lineno < starts[0][0])
    }
    sections = {max(start for start in starts if start[0] < line)[1] for line in lines}
    assert sections == HOME_OF[library]


def readme_lines() -> list[str]:
    """Return the README's indented lines that install something."""
    return re.findall(r"^    (.*(?:apt-get|pip) install .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_the_readme_begins_with_the_lines_that_ci_runs() -> None:
    demonstration, tests, apt_for_pip, pip, *_ = readme_lines()
    assert demonstration.endswith("&& /usr/bin/python3 agent.py --demo")
    assert tests.endswith("$(cat tests/debian-packages.txt) && tox")
    assert {"python3-tk", "python3-venv"} <= set(apt_for_pip.split())
    assert pip.endswith("pip install . && lanyard --demo")
    run = re.findall(r"readme_line '(.*)\$'", (ROOT / ".ci/run").read_text())
    assert [[line for line in readme_lines() if line.endswith(end)] for end in run] == [
        [demonstration],
        [apt_for_pip],
        [pip],
        [tests],
    ]


def test_no_line_of_the_readme_asks_a_question() -> None:
    """slapd wants an administrator's password unless told otherwise, and CI must not tell it so before."""
    demonstration, tests, apt_for_pip, *_ = readme_lines()
    assert "DEBIAN_FRONTEND=noninteractive apt-get install" in tests
    assert all("install -y --no-install-recommends" in line for line in (demonstration, tests, apt_for_pip))
    assert "DEBIAN_FRONTEND" not in (ROOT / ".ci/run").read_text()


def test_debians_packages_are_those_that_pip_would_install() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in project["dependencies"]}
    debian = set(re.findall(r"python3-([\w.-]+)", readme_lines()[0]))
    # python3-openssl is pyOpenSSL, and brings cryptography; Tk comes with pip's Python.
    assert debian - {"tk"} == wanted - {"pyopenssl", "cryptography"} | {"openssl"}
