"""The Containerfile keeps its promises, and a linter that others wrote finds nothing in it."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from support.container import CONTAINERFILE, instructions
from support.machine import need
from support.source import ROOT

from spine_stub.cli.options import make_parser

SAID = dict(instructions())


def test_a_linter_that_others_wrote_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        need("hadolint")
        linter = Path("hadolint")
    done = subprocess.run([linter, CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_both_stages_are_debian_slim_of_one_release() -> None:
    first, second = (instructions(stage)[0] for stage in (0, 1))
    assert first == ("FROM", f"{second[1]} AS build")
    assert second[1].endswith("/debian:bookworm-slim")


def test_it_runs_as_nobody_in_particular() -> None:
    uid, _, group = SAID["USER"].partition(":")
    assert int(uid) >= 1000
    assert group == "0"


def test_what_is_kept_lies_in_the_volume() -> None:
    assert SAID["VOLUME"] == "/data"
    assert "XDG_DATA_HOME=/data" in SAID["ENV"].split()


def test_its_command_is_one_that_the_broker_takes() -> None:
    command, *options = json.loads(SAID["ENTRYPOINT"])
    assert command in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    settings = make_parser().parse_args(options)
    assert settings.host == "0.0.0.0"  # noqa: S104 - of the container, whose host chooses what it publishes
    assert SAID["EXPOSE"] == str(settings.port)
    assert f"https://127.0.0.1:{settings.port}/healthz" in SAID["HEALTHCHECK"]


def test_the_build_gets_what_pip_reads_and_nothing_else() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setuptools = settings["tool"]["setuptools"]
    files = [settings["project"]["readme"], *settings["project"]["license-files"], "pyproject.toml"]
    modules = [f"{name}.py" for name in setuptools["py-modules"]]
    folders = [pattern.rstrip("*") for pattern in setuptools["packages"]["find"]["include"]]
    data = [path.partition("/")[0] for paths in setuptools["data-files"].values() for path in paths]
    assert sorted(kept) == sorted({*files, *modules, *folders, *data})
    assert not fnmatch.filter(kept, "*data*")
