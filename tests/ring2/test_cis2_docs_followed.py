"""docs/testing-with-cis2.md and the GitHub workflow are followed to the letter; tables say what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.follower import Follower, commands
from support.installed import ROOT, Installed
from support.machine import need
from support.pages import Page, files_of

from spine_stub.cis2.control.commands import COMMANDS, PATH
from spine_stub.cis2.control.kit import Cis2

PAGE = ROOT / "docs" / "testing-with-cis2.md"
TEXT = PAGE.read_text()
WORKFLOW = ROOT / "docs" / "cis2-github.md"


def section(heading: str) -> str:
    """A section of the page."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.fixture
def follower(own_network: list[str], installed: Installed, tmp_path: Path) -> Iterator[Follower]:
    need("curl")
    found = Follower(own_network, installed, tmp_path)
    yield found
    found.close()


def test_from_nothing_to_a_red_and_a_green_report(follower: Follower) -> None:
    told = section("A red and a green report, in ten minutes")
    said = []
    for command in commands(told):
        is_red = "probe" in command and "--junit" not in command
        said.append(follower.follow(command, code=1 if is_red else 0))
    verdicts = re.findall(r"\d+ rules broken, \d+ kept, \d+ not observed", "".join(said))
    assert verdicts == re.findall(r"`(\d+ rules broken, .*?)`", told)
    assert 'failures="0"' in (follower.folder / "report.xml").read_text()


def test_the_commands_of_the_control_api_do_what_is_said(follower: Follower) -> None:
    follower.follow("python3 -m spine_stub")
    arranged, steps, told = (follower.follow(command) for command in commands(section("From another language")))
    assert '"uid":"555000000002"' in arranged
    assert steps == '{"steps":[]}\n'
    assert all(f"{PATH}{each.path}" in told for each in COMMANDS)


def test_what_is_tested_in_pytest_holds(follower: Follower) -> None:
    for file, text in files_of(Page.read(PAGE)):
        (follower.folder / file).write_text(text)
    (command,) = commands(section("In pytest"))
    assert "2 passed" in follower.follow(command)


def test_the_workflow_for_github_runs(follower: Follower) -> None:
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load(Page.read(WORKFLOW).blocks[0].text)
    (job,) = workflow["jobs"].values()
    (follower.folder / "bin").mkdir()
    (follower.folder / "bin/pip").symlink_to("/bin/true")
    follower.environment["PATH"] = f"{follower.folder}/bin:{follower.environment['PATH']}"
    ran = []
    script = "set -e\n"
    for step in job["steps"]:
        if "run" in step:
            names = "".join(f"export {name}={value}\n" for name, value in step.get("env", {}).items())
            script += f"{names}{step['run']}\n"
            ran.append(step["name"])
    assert ran == ["CIS2", "The application", "Its conformance"]
    follower.follow(f"trap 'kill $(jobs -p)' EXIT\n{script}")
    kept = next(step["with"]["path"].split() for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
    assert all((follower.folder / name).stat().st_size for name in kept)


def test_every_command_of_the_control_api_is_listed() -> None:
    listed = re.findall(rf"^\| (GET|POST) `{PATH}([^`]+)` \| (.*) \|$", TEXT, re.MULTILINE)
    assert listed == [(each.method, each.path, each.does) for each in COMMANDS]


def test_what_is_said_of_the_kit_is_there() -> None:
    rows = re.findall(r"^\| (`\w.*?) \|", section("In pytest"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)", row)} - {"spine_stub"}
    assert named == {name for name in vars(Cis2) if not name.startswith("_")} - {"story"}


def test_the_addresses_for_an_application_are_those_of_the_stub() -> None:
    from spine_stub.cis2 import REALM
    from spine_stub.cis2.clients.registry import EXAMPLE

    assert f"https://127.0.0.1:8443{REALM}/.well-known/openid-configuration" in TEXT
    for wanted in ("example-application", "example-secret", "http://127.0.0.1/callback", "http://localhost/callback"):
        assert wanted in EXAMPLE.read_text()
        assert f"`{wanted}`" in TEXT
