"""The page for applications, followed word for word: its sections on C and Java."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.agent_socket import SocketServer, error
from support.installed import ROOT, Installed
from support.machine import mounts_of_its_own, need
from support.pages import Page, files_of
from support.ticket_library import make, without

PAGE = ROOT / "docs" / "applications.md"


FRESH_PC = """
mount --bind "$0/local" /usr/local && mount --bind "$0/etc" /etc || exit
sudo() { "$@"; }
set -e
"""


def commands_of(section: str) -> str:
    """Return a section's commands as a shell script."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return "".join(line.removeprefix("    $ ") + "\n" for line in text.splitlines() if line.startswith("    $ "))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of the page, the sources, and an empty /usr/local and /etc of its own."""
    for name, text in files_of(Page.read(PAGE)):
        (tmp_path / name).write_text(text)
    shutil.copytree(ROOT / "bridge/clients", tmp_path / "bridge/clients", ignore=shutil.ignore_patterns("build"))
    (tmp_path / "local").mkdir()
    subprocess.run(["cp", "-a", "/etc", tmp_path], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("sections", "refused"), [("C", "80400001 Not today."), ("C Java", "8 Not today.")], ids=["C", "Java"]
)
def test_a_section_can_be_followed(folder: Path, socket_server: SocketServer, sections: str, refused: str) -> None:
    need("pkg-config", "javac", "ldconfig")
    fresh_pc = [*mounts_of_its_own(), "sh", "-c"]
    script = "".join(map(commands_of, sections.split()))

    def run(commands: str) -> tuple[str, str]:
        command = [*fresh_pc, FRESH_PC + commands, str(folder)]
        done = subprocess.run(command, cwd=folder, env=without("LD_LIBRARY_PATH"), capture_output=True, text=True)
        return done.stdout, done.stderr

    said, complaints = run(script)
    assert complaints == ""
    assert said.splitlines()[-1].endswith("TICKET")
    socket_server.answers = lambda _: error("UserAbort", 0x80400001, "Not today.")
    assert run(script.splitlines()[-1]) == (f"{refused}\n", "")


def test_pip_brings_the_sources(installed: Installed, tmp_path: Path) -> None:
    need("gcc", "make")
    (sources,) = installed.bin.parent.glob("lib/python3*/site-packages/bridge/clients/c")
    make("-C", str(sources), f"BUILD={tmp_path}")
    assert (tmp_path / "libTicketApiDll.so").exists()
