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
    """A file cannot be written or taken away, is not ours, or would be of no use to those it is for."""

    exit_code = 2


def install(place: Place, extension_ids: Collection[str] = EXTENSION_IDS) -> list[Path]:
    """Write executable and manifests, and return them. Raises InstallError, and overwrites nothing that is not ours."""
    manifests = {browser.manifest(place): make_manifest(browser, place, extension_ids) for browser in BROWSERS}
    written = [place.wrapper, *manifests]
    for path in written:
        if path.is_symlink():
            raise InstallError(f"{path} is a symbolic link, and was not followed. Take it away, then install again.")
    for path in manifests:
        _check_ours(path, place)
    if not place.is_user:
        check_open_to_all(written, place.destdir)
    _write(place.wrapper, wrapper_text(), 0o755, place)
    for path, manifest in manifests.items():
        _write(path, json.dumps(manifest, indent=2) + "\n", 0o644, place)
    return written


def uninstall(place: Place) -> list[Path]:
    """Take away what `install` wrote, and return what was there. Raises InstallError."""
    written = [path for browser in BROWSERS if _target(path := browser.manifest(place)) == place.target]
    if place.wrapper.is_file() and not place.wrapper.is_symlink():
        written.append(place.wrapper)
    for path in written:
        try:
            path.unlink()
        except OSError as error:
            raise InstallError(f"{path} cannot be taken away: {error.strerror}.") from None
        _remove_empty(path.parent, place)
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
    if path.is_symlink():
        return None
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.get("name") != HOST_NAME:
        return None
    target = manifest.get("path")
    return target if isinstance(target, str) else None


def _check_ours(path: Path, place: Place) -> None:
    """Raises InstallError where a manifest's place has what is no manifest of ours."""
    target = _target(path)
    if target is None and path.exists():
        raise InstallError(f"{path} is no manifest of {HOST_NAME}. Take it away, then install again.")
    if target not in (None, place.target) and Path(str(target)).exists():
        raise InstallError(f"{path} belongs to another program, {target}, which its browser would no longer find.")


def wrapper_text() -> str:
    """Return the executable: it adds to Python's path only what Python would not find by itself."""
    folder = _package().parent
    known = {Path(each).resolve() for each in (*site.getsitepackages(), site.getusersitepackages())}
    environment = "" if folder.resolve() in known else f"export PYTHONPATH={shlex.quote(str(folder))}\n"
    return _WRAPPER.format(environment=environment, python=shlex.quote(sys.executable))


def _package() -> Path:
    return Path(__file__).absolute().parents[1]


def check_open_to_all(written: Collection[Path], destdir: Path) -> None:
    """Raises InstallError where other users cannot reach what is written, our code, or the Python that runs it.

    Who makes a package, in a `destdir`, will have code and Python elsewhere in the end.
    """
    for path in written:
        for folder in path.parents:
            if destdir in folder.parents and _is_closed(folder):
                raise InstallError(f"Other users cannot look into {folder}: chmod 755 {folder}, then install again.")
    ours = (Path(__file__), Path(os.__file__), Path(sys.executable)) if destdir == Path("/") else ()
    for file in ours:
        for path in (*_with_parents(file.absolute()), *_with_parents(file.resolve())):
            if _is_closed(path):
                raise InstallError(f"{path} is closed to other users. Put {file} elsewhere, or install with --user.")


def _with_parents(path: Path) -> tuple[Path, ...]:
    return *reversed(path.parents), path


def _is_closed(path: Path) -> bool:
    """Return whether a file can be read, or a folder looked into, by its owner or group only."""
    if not path.exists():
        return False
    return not path.stat().st_mode & (stat.S_IXOTH if path.is_dir() else stat.S_IROTH)


def _make_folder(folder: Path, place: Place) -> None:
    """Make a folder and those above it: where it is for all users, they can look into it, whatever the umask is."""
    for each in _with_parents(folder):
        if not each.exists():
            each.mkdir()
            if not place.is_user:
                each.chmod(0o755)


def _remove_empty(folder: Path, place: Place) -> None:
    """Take away a folder and those above it, as far as they are empty, and there for browsers or for us alone."""
    with contextlib.suppress(OSError):  # others have put something there
        while folder not in place.bases:
            folder.rmdir()
            folder = folder.parent


def _write(path: Path, text: str, mode: int, place: Place) -> None:
    """Write a file whole or not at all, so that a browser never reads half of one."""
    try:
        _make_folder(path.parent, place)
        number, name = tempfile.mkstemp(dir=path.parent)
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(number, mode)
        os.replace(name, path)
    except OSError as error:
        raise InstallError(f"{path} cannot be written: {error.strerror}.") from None
