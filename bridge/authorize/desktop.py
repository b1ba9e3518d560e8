"""Tells the desktop that links of ours are opened here, by a .desktop file (Desktop Entry Specification 1.5)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .request import SCHEME

NAME = "lanyard-authorize.desktop"
MIME_TYPE = f"x-scheme-handler/{SCHEME}"


def install(root: Path) -> Path:
    """Write the file, and make it the handler of our links where xdg-mime is there; return where it is."""
    path = _folder() / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(entry(sys.executable, root))
    if shutil.which("xdg-mime"):
        subprocess.run(["xdg-mime", "default", NAME, MIME_TYPE], check=False, stderr=subprocess.DEVNULL)
    return path


def uninstall() -> Path:
    """Remove the file, if it is there; return where it was."""
    path = _folder() / NAME
    path.unlink(missing_ok=True)
    return path


def entry(python: str, root: Path) -> str:
    """Return the file's text; `root` is where the package lies, which need not be on Python's path otherwise."""
    command = ["env", f"PYTHONPATH={root}", python, "-P", "-m", "bridge", "authorize"]
    lines = (
        "[Desktop Entry]",
        "Type=Application",
        "Name=Lanyard sign-in for programs",
        f"Exec={' '.join(map(_quoted, command))} %u",
        f"MimeType={MIME_TYPE};",
        "NoDisplay=true",
        "Terminal=false",
    )
    return "\n".join((*lines, ""))


def _folder() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(home, "applications")


def _quoted(argument: str) -> str:
    """Quote an argument as the specification's section "The Exec key" has it."""
    escaped = "".join(f"\\{letter}" if letter in '"`$\\' else letter for letter in argument).replace("\\", "\\\\")
    return f'"{escaped}"'.replace("%", "%%")
