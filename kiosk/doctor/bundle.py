"""The bundle for the service desk: all findings in one file, without what names a person."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent import VERSION, UsageError

from .findings import Finding
from .surroundings import Surroundings

PACKAGES = ("lanyard", "libccid", "libpcsclite1", "opensc", "p11-kit", "pcscd", "polkitd", "python3", "python3-tk")
_UID = re.compile(r"\d{12}")
_OWNER = re.compile(r"(?<=in the name of ).+?(?=\. \()|(?<=\"Of ).+?(?=, with a key of )")  # of a card that is not ours
_SHORTEST_NAME = 3  # a shorter one would hide parts of other words


def write_bundle(path: Path, findings: Sequence[Finding], around: Surroundings) -> None:
    """Write the bundle, for its owner alone, where no file is yet. Raises UsageError."""
    text = redact(json.dumps(_content(findings, around), indent=2, ensure_ascii=False), around)
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(opened, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Name a file that is not there yet.") from None


def redact(text: str, around: Surroundings) -> str:
    """Return a text without uids, this user's name and folder, and this PC's name, which may be a person's."""
    for secret, instead in _secrets(around):
        text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", instead, text, flags=re.IGNORECASE)
    return _OWNER.sub("[name]", _UID.sub("[uid]", text))


def _secrets(around: Surroundings) -> Iterator[tuple[str, str]]:
    """Yield what is taken out, the longest first, and what is put there."""
    host, home = socket.gethostname(), around.environment.get("HOME", "")
    found = [(host, "[this PC]"), (host.partition(".")[0], "[this PC]"), (home, "~")]
    names = {around.environment.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")} | {_login_name()}
    found += [(name, "[user]") for name in names if name not in ("root", "kiosk")]
    usable = {each for each in found if len(each[0]) >= _SHORTEST_NAME and each[0] not in ("localhost", "/root")}
    yield from sorted(usable, key=lambda each: len(each[0]), reverse=True)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _content(findings: Sequence[Finding], around: Surroundings) -> dict[str, Any]:
    return {
        "lanyard": VERSION,
        "made": around.now().isoformat(timespec="seconds"),
        "system": _system(around),
        "packages": _packages(around),
        "settings": list(around.settings.lines()),
        "findings": [finding.as_json() for finding in findings],
    }


def _system(around: Surroundings) -> dict[str, str]:
    release = re.search(r'^PRETTY_NAME="?(.*?)"?$', around.text("/etc/os-release"), re.MULTILINE)
    told = {name: around.environment.get(name, "") for name in ("XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "LANG")}
    return {
        "name": release[1] if release else "",
        "kernel": platform.release(),
        "python": platform.python_version(),
    } | told


def _packages(around: Surroundings) -> list[str]:
    """Return name and version of Debian's packages that matter here, none on another system."""
    try:
        done = around.run("dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *PACKAGES)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split("\n")[:-1]
