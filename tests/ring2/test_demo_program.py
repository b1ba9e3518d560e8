"""agent.py hands over to demo.py beside it, and says so where there is none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.agent import fails
from support.agent_program import AGENT, at, environment, free_port, run_agent
from support.spine import Spine

from agent import Fault
from demo import Demonstration, DemonstrationFailed


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


def test_nothing_is_written_through_a_link_that_lies_in_dir(data: Path, tmp_path: Path) -> None:
    """The demonstration's own files included: no other user's link may lead it to a file of this one."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("spine_stub", "emulator"):
        (data / f"{name}.log").symlink_to(victim)
    with Demonstration(data) as demonstration:
        demonstration.start_broker()
        with pytest.raises(DemonstrationFailed):
            demonstration.start_emulator("no-such-card", f"127.0.0.1:{free_port()}")
    assert victim.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_dir_of_another_user_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with Demonstration(tmp_path) as demonstration, pytest.raises(DemonstrationFailed, match="belongs to another user"):
        demonstration.start_broker()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["/proc/x", "/etc/passwd"])
def test_a_dir_that_cannot_be_one_is_named(folder: str) -> None:
    done = run_agent("--demo", "--data", folder, "login")
    assert done.returncode == 2
    assert folder in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_dir_is_in_the_folder_of_who_gave_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Demonstration(Path("cards")).data == tmp_path / "cards"


def test_a_reader_that_never_comes_is_not_waited_for_without_end(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.READER_SECONDS", 0.5)
    with Demonstration(data) as demonstration, fails(Fault.READER_NOT_FOUND) as failed:
        demonstration.start_emulator("one-role", f"127.0.0.1:{free_port()}")
    assert "vsmartcard-vpcd" in str(failed.value)
    assert failed.value.fault.exit_code == 3


def test_a_port_that_is_taken_is_told_once_with_cause_and_cure(spine: Spine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_agent(*at(spine, port), "login")
    assert done.returncode == 2
    assert done.stderr.count("cannot use port") == 1
    assert f"port {port}: another program has it" in done.stderr
    assert "--reader embedded:PORT" in done.stderr
    assert "--vpcd 127.0.0.1:PORT" in done.stderr
    assert "attempting to bind" not in done.stderr
