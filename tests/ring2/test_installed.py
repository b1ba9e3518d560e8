"""Lanyard as pip installs it: commands, package data, and pytest plugins that load by themselves."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from support.installed import ROOT, SHIPPED, Installed

import agent

MODULES = "import emulator.pytest_plugin, spine_stub.pytest_plugin, sys; print(*sys.modules)"


def test_everything_that_the_packages_need_is_in_the_wheel(installed: Installed) -> None:
    tree = {
        str(path.relative_to(ROOT))
        for name in SHIPPED
        for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = zipfile.ZipFile(installed.wheel).namelist()
    assert {name for name in names if not re.match(r"lanyard-[\d.]+(\.dist-info|\.data/data/share)/", name)} == tree


def test_the_agent_finds_its_catalogues_where_pip_puts_them(installed: Installed, tmp_path: Path) -> None:
    speak = "import agent; agent.Sentences.speak('cy'); print(agent._('You are signed in'))"
    assert installed.run("python", "-c", speak, folder=tmp_path).stdout == "Rydych wedi mewngofnodi\n"


@pytest.mark.parametrize("command", ["lanyard", "lanyard-bridge", "lanyard-card", "lanyard-spine"])
def test_a_command_says_the_one_version(installed: Installed, tmp_path: Path, command: str) -> None:
    assert installed.run(command, "--version", folder=tmp_path).stdout == f"Lanyard {agent.VERSION}\n"
    assert f"lanyard-{agent.VERSION}-" in installed.wheel.name


def test_pytest_loads_the_plugins_by_itself(installed: Installed, tmp_path: Path) -> None:
    fixtures = installed.run("python", "-m", "pytest", "--fixtures", "-p", "no:cacheprovider", folder=tmp_path).stdout
    assert {name for name in ("piv_card", "piv_reader", "spine_stub") if f"\n{name} " not in fixtures} == set()


@pytest.mark.parametrize("plugin", ["emulator.pytest_plugin", "spine_stub.pytest_plugin"])
def test_a_plugin_may_be_named_all_the_same(installed: Installed, tmp_path: Path, plugin: str) -> None:
    (tmp_path / "conftest.py").write_text(f"pytest_plugins = [{plugin!r}]\n")
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    run = installed.run("python", "-m", "pytest", "-W", "error", "-p", plugin, folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_plugin_that_nobody_uses_imports_nothing(installed: Installed, tmp_path: Path) -> None:
    loaded = installed.run("python", "-c", MODULES, folder=tmp_path).stdout.split()
    ours = {name for name in loaded if name.startswith(("emulator", "spine_stub"))}
    assert ours == {"emulator", "emulator.pytest_plugin", "spine_stub", "spine_stub.pytest_plugin"}
    assert not {"cryptography", "flask", "asn1crypto"} & set(loaded)
