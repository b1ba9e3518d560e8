"""The files by which a PC becomes a kiosk, each looked at by a program that knows its kind; and the Debian packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse
from support.machine import need
from support.programs import run
from support.source import ROOT

import agent
from kiosk.settings import load_file

FILES = ROOT / "kiosk" / "files"
UNITS = sorted((FILES / "systemd").iterdir())
# What polkit gives a rule, and what it is asked: polkit(8), "Authorization rules".
POLKIT = """\
const rules = [];
const polkit = {addRule: rule => rules.push(rule), Result: {YES: "yes", NOT_HANDLED: "not handled"}};
RULES
for (const [id, user] of JSON.parse(process.argv[1]))
    console.log(rules.map(rule => rule({id, lookup: () => ""}, {user})).join());
"""


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units as they are installed, but with programs of this checkout that are there."""
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in UNITS:
        text = "\n".join(
            "ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in unit.read_text().splitlines()
        )
        (folder / unit.name).write_text(f"{text}\n")
    return sorted(map(str, folder.iterdir()))


def test_systemd_takes_the_units(units: list[str], tmp_path: Path) -> None:
    need("systemd-analyze")
    said = run("systemd-analyze", "--user", "verify", *units, environment={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert said == ""


def test_systemd_would_say_so_of_a_unit_that_is_wrong(units: list[str], tmp_path: Path) -> None:
    need("systemd-analyze")
    (tmp_path / "wrong.service").write_text("[Service]\nExecStart=/bin/true\nNoNewPrivilege=yes\n")
    said = run(
        "systemd-analyze",
        "--user",
        "verify",
        str(tmp_path / "wrong.service"),
        code=None,
        environment={"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert "NoNewPrivilege" in said


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    (start,) = (line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    program, *arguments = start.removeprefix("ExecStart=/usr/bin/").split()
    module = {"lanyard": ["agent.py"], "lanyard-kiosk": ["-m", "kiosk"], "lanyard-bridge": ["-m", "bridge"]}[program]
    command = [sys.executable, *module, *arguments, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_desktop_files_are_valid() -> None:
    need("desktop-file-validate")
    entries = sorted(FILES.rglob("*.desktop"))
    assert len(entries) == 3
    assert run("desktop-file-validate", *map(str, entries)) == ""


@pytest.mark.parametrize("session", ["bare", "openbox"])
def test_sessions_are_programs_of_the_shell(session: str) -> None:
    path = FILES / "sessions" / session
    run("sh", "-n", str(path))
    assert os.access(path, os.X_OK)
    assert (
        f"Exec=/usr/share/lanyard/kiosk/files/sessions/{session}\n"
        in (FILES / "sessions" / f"lanyard-{session}.desktop").read_text()
    )


def test_openbox_has_no_key_and_no_menu() -> None:
    tree = parse(FILES / "sessions" / "openbox.xml")
    space = "{http://openbox.org/3.4/rc}"
    for name in ("keyboard", "mouse", "menu"):
        (found,) = tree.iter(f"{space}{name}")
        assert not list(found)


def test_polkit_lets_in_the_kiosk_s_user_and_nobody_else() -> None:
    need("node")
    asked = [
        ("org.debian.pcsc-lite.access_pcsc", "kiosk"),
        ("org.debian.pcsc-lite.access_card", "kiosk"),
        ("org.debian.pcsc-lite.access_card", "anna"),
        ("org.freedesktop.login1.power-off", "kiosk"),
    ]
    rule = (FILES / "50-lanyard-pcscd.rules").read_text()
    said = run("node", "-e", POLKIT.replace("RULES", rule), json.dumps(asked))
    assert said.splitlines() == ["yes", "yes", "not handled", "not handled"]


def test_the_example_settings_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SYSTEM_FILE", FILES / "etc" / "agent.toml")
    settings = agent.load_settings({"XDG_CONFIG_HOME": "/nowhere"}, {"spine": "https://other.example"})
    agent.check_spine(settings)
    assert settings.spine == "https://gas.example.nhs.uk"
    assert settings.contacts().service_desk
    assert [program.name for program in load_file(FILES / "etc" / "kiosk.toml").programs] == ["browser"]


def test_lintian_has_nothing_to_say(debian_packages: Path) -> None:
    need("lintian")
    packages = sorted(map(str, debian_packages.glob("*.deb")))
    assert len(packages) == 2
    said = run("lintian", "--fail-on", "error,warning,info", *packages, code=None)
    tags = [line for line in said.splitlines() if line[:2] in ("E:", "W:")]
    assert tags == []


def test_a_package_has_what_pip_installs_and_nothing_that_is_made(debian_packages: Path) -> None:
    (package,) = debian_packages.glob("lanyard_*.deb")
    listed = run("dpkg-deb", "--contents", str(package))
    for wanted in ("agent.py", "bridge/doctor/examine.py", "kiosk/doctor/examine.py", "bridge/extension/manifest.json"):
        assert f"./usr/share/lanyard/{wanted}\n" in listed
    assert "__pycache__" not in listed
    assert not [line for line in listed.splitlines() if "root/root" not in line]


def test_what_a_package_needs_is_what_pip_would_install() -> None:
    control = (ROOT / "packaging/lanyard/control").read_text() + (
        ROOT / "packaging/lanyard-testbed/control"
    ).read_text()
    project = (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("]")[0]
    names = [line.split(">=")[0].strip().strip('"').lower() for line in project.splitlines() if ">=" in line]
    assert names
    for name in names:
        assert f"python3-{ {'pyopenssl': 'openssl'}.get(name, name) }" in control
