"""The page for applications, followed word for word: its sections on C and Java."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.agent_socket import SocketServer, error
from support.installed import ROOT, Installed
from support.machine import need
from support.pages import Page, files_of
from support.ticket_library import make, without

PAGE = ROOT / "docs" / "applications.md"


def commands_of(section: str, prefix: Path) -> str:
    """Return a section's commands as a shell script, with /usr/local replaced by a folder."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line.removeprefix("    $ ") for line in text.splitlines() if line.startswith("    $ ")]
    return "\n".join(["set -e", *lines]).replace("/usr/local", str(prefix))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of the page, and the repository's bridge."""
    for name, text in files_of(Page.read(PAGE)):
        (tmp_path / name).write_text(text)
    (tmp_path / "bridge").symlink_to(ROOT / "bridge")
    return tmp_path


@pytest.mark.parametrize(("section", "refused"), [("C", "80400001 Not today."), ("Java", "8 Not today.")])
def test_a_section_can_be_followed(
    folder: Path, socket_server: SocketServer, ticket_library: Path, section: str, refused: str
) -> None:
    need("pkg-config", "javac")
    library = str(ticket_library / "lib")
    environment = without() | {"PKG_CONFIG_PATH": f"{library}/pkgconfig", "LD_LIBRARY_PATH": library}
    script = commands_of(section, ticket_library).replace("bridge/clients/c", f"bridge/clients/c BUILD={folder}/build")
    done = subprocess.run(["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].endswith("TICKET")
    socket_server.answers = lambda _: error("UserAbort", 0x80400001, "Not today.")
    last = script.splitlines()[-1]
    done = subprocess.run(["sh", "-c", last], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{refused}\n"


def test_pip_brings_the_sources(installed: Installed, tmp_path: Path) -> None:
    need("gcc", "make")
    (sources,) = installed.bin.parent.glob("lib/python3*/site-packages/bridge/clients/c")
    make("-C", str(sources), f"BUILD={tmp_path}")
    assert (tmp_path / "libTicketApiDll.so").exists()
