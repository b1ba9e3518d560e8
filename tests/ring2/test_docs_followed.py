"""The pages that say how to test one's own software are followed, word for word, in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.installed import ROOT, Installed
from support.pages import Page, command_blocks, files_of, imports_of

PAGES = ("testing-with-the-card.md", "testing-with-the-broker.md")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_followed_in_an_empty_folder(installed: Installed, tmp_path: Path, name: str) -> None:
    page = Page.read(ROOT / "docs" / name)
    for file, text in files_of(page):
        (tmp_path / file).write_text(text)
    commands = command_blocks(page, ("pytest", "python", "python3"))
    assert any(command[0] == "pytest" for command in commands), "the page runs no test"
    for command in commands:
        run = installed.run(*command, folder=tmp_path)
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_imports_is_there(installed: Installed, tmp_path: Path, name: str) -> None:
    page = Page.read(ROOT / "docs" / name)
    for file, text in files_of(page):
        (tmp_path / file).write_text(text)
    run = installed.run("python", "-c", imports_of(page), folder=tmp_path)
    assert run.returncode == 0, run.stderr
