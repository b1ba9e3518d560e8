"""A link of ours opens the bridge on a desktop: xdg-open finds what `authorize --install` wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.machine import need

from bridge.authorize.desktop import entry

LINK = "nhsidentityagent://connect/authorize?client_id=nobody&state=a%20b"


def test_xdg_open_starts_the_bridge_until_it_is_taken_back(tmp_path: Path) -> None:
    need("xdg-open", "xdg-mime")
    homes = {name: str(tmp_path / name) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    environment = {**os.environ, **homes, "BROWSER": "false"}  # without a handler, xdg-open tries browsers
    environment["DISPLAY"] = ":nowhere"  # it looks for handlers on a desktop only

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)

    def bridge(option: str) -> str:
        return run(sys.executable, "-m", "bridge", "authorize", option).stdout

    assert bridge("--install").startswith("wrote ")
    assert "bridge: No program is registered on this PC" in run("xdg-open", LINK).stderr
    assert bridge("--uninstall").startswith("removed ")
    assert bridge("--uninstall") == "there is nothing to remove\n"
    assert "No program is registered" not in run("xdg-open", LINK).stderr
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"mimeinfo.cache"}  # the desktop's own index, where it has one


@pytest.mark.parametrize(
    ("root", "written"),
    [("/opt/lanyard", "PYTHONPATH=/opt/lanyard "), ("/opt/my lanyard", '"PYTHONPATH=/opt/my lanyard" ')],
)
def test_only_what_needs_quotes_has_them(root: str, written: str) -> None:
    assert f"Exec=env {written}/usr/bin/python3 -P -m bridge authorize %u\n" in entry("/usr/bin/python3", Path(root))
