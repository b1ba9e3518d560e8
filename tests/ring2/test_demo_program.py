"""agent.py hands over to demo.py beside it, and says so where there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.agent_program import AGENT, at, environment, free_port, run_agent
from support.spine import Spine


@pytest.mark.parametrize(
    ("options", "variables"),
    [(["--demo"], {}), (["--reader", "embedded:0"], {}), ([], {"LANYARD_READER": "embedded"})],
    ids=["demo", "option", "variable"],
)
def test_a_pc_with_agent_py_alone_says_what_is_missing(
    options: list[str], variables: dict[str, str], tmp_path: Path
) -> None:
    alone = shutil.copy(AGENT[1], tmp_path)
    command = [sys.executable, str(alone), *options, "--spine", "https://127.0.0.1:9", "login"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(**variables), check=False
    )
    assert done.returncode == 2
    assert "demo.py is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_embedded_reader_can_be_a_setting(spine: Spine) -> None:
    where = at(spine, free_port())
    done = run_agent(*where[:4], "login", "--wait", "0.1", LANYARD_READER=where[5])
    assert done.returncode == 4
    assert "no card in the reader" in done.stderr
