"""docs/applications.md, "Script" and "Socket", followed by somebody whose agent runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.agent_program import ROOT
from support.machine import TIED_TO_THE_RUN, need
from support.pages import Page, files_of
from support.spine import Spine
from support.ticket_socket import LiveAgent

PAGE = ROOT / "docs" / "applications.md"
FILES = dict(files_of(Page.read(PAGE)))


@pytest.fixture
def here(tmp_path: Path, spine: Spine) -> Path:
    """A folder with the page's files, the agent and the broker's CA; the broker's address is that of the test."""
    here = tmp_path / "here"
    here.mkdir()
    shutil.copy(ROOT / "agent.py", here)
    shutil.copy(spine.ca_file, here / "ca.pem")
    for name in ("who.sh", "first.py", "second.py"):
        (here / name).write_text(FILES[name].replace("https://127.0.0.1:8443", spine.url))
    return here


def start(here: Path, *command: str) -> subprocess.Popen[str]:
    python = Path(sys.executable)
    (here / "python3").symlink_to(python)
    path = f"{here}:{os.environ['PATH']}"
    pipe = subprocess.PIPE
    environment = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([*TIED_TO_THE_RUN, *command], cwd=here, stdout=pipe, text=True, env=environment)


def test_the_script_tells_whose_the_ticket_is(live: LiveAgent, here: Path) -> None:
    need("curl")
    live.signs_in()
    with start(here, "sh", "who.sh") as script:
        said, _ = script.communicate(timeout=30)
    assert script.returncode == 0
    assert "Bryn Hughes" in said


def test_the_script_ends_with_the_agent_s_exit_code(runtime: Path, here: Path) -> None:
    with start(here, "sh", "who.sh") as script:
        assert script.communicate(timeout=30)[0] == ""
    assert script.returncode == 12


def test_a_program_waits_for_the_sign_in(live: LiveAgent, here: Path) -> None:
    with start(here, "python3", "first.py") as program:
        live.asks()
        ticket = live.signs_in()
        assert program.communicate(timeout=30)[0] == f"{{'ticket': '{ticket}'}}\n"


def test_a_program_waits_until_the_card_is_out(live: LiveAgent, here: Path) -> None:
    need("varlink")
    live.signs_in()
    with start(here, "python3", "second.py") as program:
        assert program.stdout
        assert program.stdout.readline() == "signed_in \n"
        live.pull()
        assert program.communicate(timeout=30)[0] == "signed_out card_out\n"


def varlinkctl(method: str) -> list[str]:
    """The page's command that names this method."""
    if not shutil.which("varlinkctl"):
        pytest.xfail("systemd has it from version 255 on, as in Debian 13")
    (line,) = re.findall(rf"^    \$ (varlinkctl .*{method}.*)$", PAGE.read_text(), re.MULTILINE)
    return ["sh", "-c", f"exec {line}"]


def test_systemd_s_client_reads_the_interface_and_gets_the_ticket(live: LiveAgent, here: Path) -> None:
    ticket = live.signs_in()
    for method, said in (("introspect", "method GetTicketNoAuth("), (r"\.GetTicket", f'{{"ticket":"{ticket}"}}\n')):
        with start(here, *varlinkctl(method)) as program:
            assert said in program.communicate(timeout=30)[0]
        assert program.returncode == 0
        (here / "python3").unlink()


def test_systemd_s_client_tells_what_happens(live: LiveAgent, here: Path) -> None:
    with start(here, *varlinkctl("Watch")) as program:
        assert program.stdout
        assert '"event":"signed_out"' in program.stdout.readline()
        live.signs_in()
        assert '"event":"signed_in"' in program.stdout.readline()
        program.terminate()
