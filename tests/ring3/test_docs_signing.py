"""docs/applications.md, "Signing a document", followed word for word."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.agent_program import ROOT, environment
from support.machine import need
from support.pages import Page, files_of
from support.ticket_socket import LiveAgent

import agent

PAGE = ROOT / "docs" / "applications.md"
SECTION = PAGE.read_text().partition("\n## Signing a document\n")[2].partition("\n## ")[0]
LETTER = b"Take two tablets a day.\n"


def test_a_script_signs_and_openssl_verifies(data: Path, tmp_path: Path) -> None:
    need("openssl")
    assert data == tmp_path / "data"
    lines = [line.removeprefix("    $ ") for line in SECTION.splitlines() if line.startswith("    $ ")]
    program = f"{shlex.quote(sys.executable)} {ROOT / 'agent.py'}"
    script = "\n".join(["set -e", *lines]).replace("python3 agent.py", program)
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, LETTER), done.stderr


@pytest.fixture
def program(tmp_path: Path) -> subprocess.Popen[str]:
    """Start the page's program, with a letter to be signed."""
    (tmp_path / "letter.txt").write_bytes(LETTER)
    (tmp_path / "sign.py").write_text(dict(files_of(Page.read(PAGE)))["sign.py"])
    return subprocess.Popen(
        [sys.executable, "sign.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_program_has_the_person_sign(live: LiveAgent, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    live.signs_in("prescriber")
    asking: subprocess.Popen[str] = request.getfixturevalue("program")
    asked = live.asks("Letter to Jo Bloggs")
    assert asked.signing
    signing, passcode = asked.signing, agent.Passcode("123456")

    def sign(card: agent.IdentityCard) -> Any:
        return agent.sign_documents(card, signing, agent.signer_facts(card).certificate, passcode)

    live.bridge.call(live.conductor.use_card, sign, asked.answer)
    _, said = asking.communicate(timeout=20)
    assert asking.returncode == 0, said
    assert LETTER in (tmp_path / "letter.p7m").read_bytes()


def test_a_program_is_told_why_not(live: LiveAgent, request: pytest.FixtureRequest) -> None:
    live.signs_in("prescriber")
    asking: subprocess.Popen[str] = request.getfixturevalue("program")
    live.asks("Letter to Jo Bloggs").answer(False)
    _, said = asking.communicate(timeout=20)
    assert (asking.returncode, said.strip().endswith(".")) == (1, True)
