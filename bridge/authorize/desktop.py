"""Tells the desktop that links of ours are opened here, by a .desktop file (Desktop Entry Specification 1.5)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import BridgeError
from .request import SCHEME

NAME = "lanyard-authorize.desktop"
_PLAIN = re.compile(r"[A-Za-z0-9/._=+-]+")
MIME_TYPE = f"x-scheme-handler/{SCHEME}"


class DesktopFileError(BridgeError):
    """The file cannot be written or taken away."""

    exit_code = 2


def install(root: Path) -> Path:
    """Write the file, and return where it is. Raises DesktopFileError."""
    path = _folder() / NAME
    if path.is_symlink():
        raise DesktopFileError(f"{path} is a symbolic link, and was not followed. Take it away, then install again.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(entry(sys.executable, root))
    except OSError as error:
        raise DesktopFileError(f"{path} cannot be written: {error.strerror}.") from None
    _update()
    return path


def uninstall() -> Path | None:
    """Remove the file; return where it was, None when it was not there. Raises DesktopFileError."""
    path = _folder() / NAME
    if path.is_symlink() or not path.exists():
        return None
    try:
        path.unlink()
    except OSError as error:
        raise DesktopFileError(f"{path} cannot be taken away: {error.strerror}.") from None
    _update()
    return path


def _update() -> None:
    """Have the desktop's index of types made anew, for desktops that use it (Debian: desktop-file-utils)."""
    if shutil.which("update-desktop-database"):
        subprocess.run(["update-desktop-database", str(_folder())], check=False, stderr=subprocess.DEVNULL)


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
    """Quote an argument as the section "The Exec key" has it, where that is needed: xdg-open itself takes no quotes."""
    if _PLAIN.fullmatch(argument):
        return argument
    escaped = "".join(f"\\{letter}" if letter in '"`$\\' else letter for letter in argument).replace("\\", "\\\\")
    return f'"{escaped}"'.replace("%", "%%")
