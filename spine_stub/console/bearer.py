"""The token that opens the JSON API, and no page, to programs that are not the owner's on this machine.

A broker in a container is asked by its host, whose address is not loopback and whose users the container does not
know. A program there proves itself by "Authorization: Bearer TOKEN" (RFC 6750, section 2.1), where TOKEN is what
the file of --control-token holds. Without that option nobody gets in so.
"""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

from ..errors import DataError

FEWEST_CHARACTERS = 16
"""A shorter one could be guessed over the network."""
_LONGEST_FILE = 1000
_SCHEME = "bearer"


def read_token(file: Path | None) -> str:
    """Return the token that a file holds, on a line of its own, or nothing for no file; raises DataError."""
    if file is None:
        return ""
    try:
        with file.open("rb") as opened:
            _check_mode(file, os.fstat(opened.fileno()))
            token = opened.read(_LONGEST_FILE).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"the control token cannot be read from {file}: {exc}") from exc
    if len(token) < FEWEST_CHARACTERS or any(character.isspace() for character in token):
        raise DataError(
            f"the control token in {file} must be one word of at least {FEWEST_CHARACTERS} characters, "
            f"such as `openssl rand -hex 16` makes"
        )
    return token


def is_given(token: str, header: str | None) -> bool:
    """Whether a request's Authorization header has the token, compared in a time that tells nothing of it."""
    scheme, _, given = (header or "").partition(" ")
    if not token or scheme.lower() != _SCHEME:
        return False
    return hmac.compare_digest(given.strip().encode("utf-8"), token.encode("ascii"))


def _check_mode(file: Path, status: os.stat_result) -> None:
    """Only the owner reads it; where that is root, one group may read it, as where a container gets a secret."""
    mine, roots = status.st_uid == os.geteuid(), status.st_uid == 0
    forbidden = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO | (0 if roots and not mine else stat.S_IRGRP)
    if not stat.S_ISREG(status.st_mode) or not (mine or roots) or status.st_mode & forbidden:
        raise DataError(f"others can read or replace the control token: make {file} your own, and chmod 600 {file}")
