"""Which browsers of a PC can start a program of it: not those that are in a snap or a flatpak."""

from __future__ import annotations

import shutil
from pathlib import Path

from bridge.native_host.browsers import BROWSERS, caged, find_program


def test_browsers_in_a_cage_are_named(tmp_path: Path) -> None:
    for path in ("snap/bin/chromium", "var/lib/flatpak/exports/bin/org.mozilla.firefox"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    found = [(browser.name, cage) for browser, cage in caged(tmp_path, tmp_path / "home")]
    assert found == [("Chromium", "snap"), ("Firefox", "flatpak")]


def test_a_script_that_starts_a_snap_is_no_browser(tmp_path: Path) -> None:
    chromium = BROWSERS[0]
    assert find_program(chromium, str(tmp_path)) is None
    script = tmp_path / "chromium-browser"
    script.write_text('#!/bin/sh\nexec /snap/bin/chromium "$@"\n')
    script.chmod(0o755)
    assert find_program(chromium, str(tmp_path)) is None
    shutil.copy("/bin/true", tmp_path / "chromium")
    assert find_program(chromium, str(tmp_path)) == tmp_path / "chromium"
