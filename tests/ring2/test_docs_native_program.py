"""docs/applications.md, "Native program", followed by somebody who writes one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.machine import need, wait_until
from support.pages import Page, command_blocks, files_of
from support.spine import Spine, SpineFactory
from support.ticket_socket import LiveAgent

from bridge.authorize.cli import authorize
from bridge.settings import Settings, load

PAGE = Page.read(Path(__file__).parents[2] / "docs" / "applications.md")


@pytest.fixture
def here(data: Path) -> Path:
    """The folder where the files of the page are saved: the broker's."""
    need("openssl")
    for name, text in files_of(PAGE):
        (data / name).write_text(text)
    for command in [words for words in command_blocks(PAGE, ("openssl",)) if "ward-board.key.pem" in words]:
        subprocess.run(command, cwd=data, check=True, capture_output=True, timeout=30)
    return data


@pytest.fixture
def spine(here: Path, spine_factory: SpineFactory) -> Spine:
    return spine_factory()


@pytest.fixture
def settings(spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the page has the PC's administrator write, with this broker's address and CA."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    text = next(block.text for block in PAGE.blocks if block.text.startswith("broker = "))
    text = text.replace("https://127.0.0.1:8443", spine.url).replace("/etc/lanyard/ca.pem", str(spine.ca_file))
    (tmp_path / "bridge.toml").write_text(text)
    return load({"XDG_CONFIG_HOME": str(tmp_path / "none")}, tmp_path / "bridge.toml")


@pytest.fixture
def program(spine: Spine, here: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the page's program with an xdg-open that writes down what it is to open, and ends when that is done."""
    opener = tmp_path / "xdg-open"
    opener.write_text(
        '#!/bin/sh\nprintf %s "$1" >"$0.new" && mv "$0.new" "$0.link"; until [ -e "$0.done" ]; do sleep 0.05; done\n'
    )
    opener.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    running = subprocess.Popen(
        [sys.executable, "native.py"],
        cwd=here,
        env={**os.environ, "PATH": path, "BROKER": spine.url, "CA": str(spine.ca_file)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield running
    (tmp_path / "xdg-open.done").touch()
    running.kill()
    running.communicate()


@pytest.mark.parametrize("granted", [True, False])
def test_the_pages_program_learns_who_is_signed_in(
    live: LiveAgent, program: subprocess.Popen[str], settings: Settings, tmp_path: Path, granted: bool
) -> None:
    live.signs_in("one-role")
    link, done = tmp_path / "xdg-open.link", tmp_path / "xdg-open.done"
    wait_until(link.exists, what="the link is opened")
    live.conductor.on_request = lambda: live.asked and live.asked.answer(granted)
    if granted:
        authorize(link.read_text(), settings)
        done.touch()
        said, _ = program.communicate(timeout=20)
        assert said == 'Bryn Hughes "Clinical":"Clinical Provision":"Nurse Access Role"\n'
    else:
        with pytest.raises(Exception, match="was not told"):
            authorize(link.read_text(), settings)
        done.touch()
        _, said = program.communicate(timeout=20)
        assert said.endswith("no code: access_denied\n")
