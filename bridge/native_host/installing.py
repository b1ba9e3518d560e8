"""Puts the native messaging host where browsers look for it, and takes away exactly that again.

A manifest for each browser, whether it is there yet or not, and one executable that all of them name: a script with
the absolute path of the Python that runs this, so that it works from a checkout, from a pip install, and with Debian's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import site
import stat
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import BridgeError
from ..settings import EXTENSION_IDS
from . import HOST_NAME
from .browsers import BROWSERS, Browser, Place

_WRAPPER = """\
#!/bin/sh
# Written by `lanyard-bridge native-host --install`. A browser starts it, and names the extension in the arguments.
{environment}exec {python} -P -m bridge native-host -- "$@"
"""


class InstallError(BridgeError):
    """A file cannot be written or taken away, or is not ours."""

    exit_code = 2


def install(place: Place, extension_ids: Collection[str] = EXTENSION_IDS) -> list[Path]:
    """Write executable and manifests, and return them. Raises InstallError, and overwrites nothing that others use."""
    manifests = {browser.manifest(place): make_manifest(browser, place, extension_ids) for browser in BROWSERS}
    for path in manifests:
        if (other := _target(path)) and other != place.target and Path(other).exists():
            raise InstallError(f"{path} belongs to another program, {other}, which its browser would no longer find.")
    if not place.is_user:
        _check_readable_by_all(_package().parent)
    _write(place.wrapper, wrapper_text(), 0o755)
    for path, manifest in manifests.items():
        _write(path, json.dumps(manifest, indent=2) + "\n", 0o644)
    return [place.wrapper, *manifests]


def uninstall(place: Place) -> list[Path]:
    """Take away what `install` wrote, and return what was there. Raises InstallError."""
    written = [path for browser in BROWSERS if _target(path := browser.manifest(place)) == place.target]
    if place.wrapper.is_file():
        written.append(place.wrapper)
    for path in written:
        try:
            path.unlink()
        except OSError as error:
            raise InstallError(f"{path} cannot be taken away: {error.strerror}.") from None
    with contextlib.suppress(OSError):  # the folder is ours, but others may have put something there
        place.wrapper.parent.rmdir()
    return written


def make_manifest(browser: Browser, place: Place, extension_ids: Collection[str]) -> dict[str, Any]:
    """Return the manifest by which a browser finds the executable, and knows which extensions may start it."""
    ids = sorted(each for each in extension_ids if browser.is_firefox == is_firefox_id(each))
    if browser.is_firefox:
        allowed = {"allowed_extensions": ids}
    else:
        allowed = {"allowed_origins": [f"chrome-extension://{each}/" for each in ids]}
    return {"name": HOST_NAME, "description": "Lanyard", "path": place.target, "type": "stdio", **allowed}


def is_firefox_id(extension_id: str) -> bool:
    """Return whether an extension's id is one of Firefox: a name at a domain, or a UUID in braces."""
    return "@" in extension_id or extension_id.startswith("{")


def _target(path: Path) -> str | None:
    """Return the executable that a manifest of our host names; None when the file is no such manifest."""
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.get("name") != HOST_NAME:
        return None
    target = manifest.get("path")
    return target if isinstance(target, str) else None


def wrapper_text() -> str:
    """Return the executable: it adds to Python's path only what Python would not find by itself."""
    folder = _package().parent
    known = {Path(each).resolve() for each in (*site.getsitepackages(), site.getusersitepackages())}
    environment = "" if folder.resolve() in known else f"export PYTHONPATH={shlex.quote(str(folder))}\n"
    return _WRAPPER.format(environment=environment, python=shlex.quote(sys.executable))


def _package() -> Path:
    return Path(__file__).absolute().parents[1]


def _check_readable_by_all(folder: Path) -> None:
    """Raises InstallError where other users could not run what is installed for them."""
    for path in (folder, *folder.parents, Path(sys.executable).parent):
        if not path.stat().st_mode & stat.S_IXOTH:
            raise InstallError(f"Other users cannot look into {path}. Put Lanyard elsewhere, or install with --user.")


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all, so that a browser never reads half of one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent)
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(number, mode)
        os.replace(name, path)
    except OSError as error:
        raise InstallError(f"{path} cannot be written: {error.strerror}.") from None
