"""The packages' structure: folders that can be overlooked, no fragments, arrows one way and no circle."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.source import ROOT, imports_at_run_time

# Which part of a package uses which: each only its own line and those below it.
LAYERS: dict[str, tuple[str, ...]] = {
    "bridge": (
        "__main__",
        "serve",
        "doctor",
        "authorize",
        "native_host",
        "service",
        "credential_management",
        "loopback",
        "agent_socket settings",
        "errors registrations",
    ),
    "kiosk": ("__main__", "doctor", "hooks audit chromium", "agent_socket settings", "events", "errors"),
    "emulator": (
        "__main__ pytest_plugin",
        "cli testing",
        "service",
        "reader",
        "virtual_card",
        "faults",
        "store",
        "piv",
        "keys",
        "iso7816",
        "identifiers errors",
    ),
    "spine_stub": (
        "__main__ pytest_plugin",
        "cli testing",
        "app clinic",
        "openid",
        "console",
        "cis2",
        "web",
        "stub",
        "faults explain",
        "login pki",
        "people sessions",
        "config errors files folder",
    ),
}
PACKAGES = tuple(LAYERS)
MOST_MODULES = 12
FEWEST_LINES = 40
# Modules that are shorter, and why they stand alone all the same.
SHORT = {
    "spine_stub/faults/hostile_xml.py": "XML that is made to hurt parsers, apart from the faults that send it",
    "spine_stub/people/open.py": "chooses the directory, and so imports every kind of it",
}


def modules(package: str) -> dict[str, Path]:
    """Return the path of each module of a package by its dotted name."""
    paths = {path: path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / package).rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in paths.items()}


def graph(package: str) -> dict[str, set[str]]:
    """Return which modules of the package each module imports, wherever in it the import stands."""
    known = modules(package)
    return {name: imports_at_run_time(name, path, known) & known.keys() - {name} for name, path in known.items()}


def folders() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted({path.parent for path in (ROOT / package).rglob("*.py")})


def layer(module: str) -> int:
    """Return the number of a module's layer, the top one being 0."""
    package, *rest = module.split(".")
    names = [set(line.split()) for line in LAYERS[package]]
    found = [number for number, line in enumerate(names) if not rest or rest[0] in line]
    assert found, f"{module} is in no layer: give it one in LAYERS"
    return found[0] if rest else len(names)


@pytest.mark.parametrize("folder", list(folders()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_can_be_overlooked(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MOST_MODULES


def test_no_module_is_a_fragment() -> None:
    """An __init__ says what its folder is, and may say no more; a __main__ only starts the program."""
    short = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py") and len(path.read_text().splitlines()) < FEWEST_LINES
    }
    assert short == set(SHORT)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_goes_in_a_circle(package: str) -> None:
    try:
        graphlib.TopologicalSorter(graph(package)).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_arrows_go_one_way(package: str) -> None:
    upward = {
        f"{name} -> {other}"
        for name, others in graph(package).items()
        for other in others
        if "." in name and layer(other) < layer(name)
    }
    assert not upward


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_is_on_the_architecture_page(package: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.partition(f"## {package}/\n")[2].partition("\n## ")[0]
    assert not [
        folder.name for folder in folders() if folder.parent == ROOT / package and f"`{folder.name}`" not in section
    ]
