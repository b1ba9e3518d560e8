"""Files of this user that outlast a kill and a loss of power, in folders that nobody else can have prepared.

A symbolic link, and what belongs to another user, is refused with a sentence: whoever made it could choose
what is read, or what is overwritten.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import CardError


def check_folder(path: Path) -> None:
    """Raise CardError for a folder that is a link, another user's, or anybody's to write to; one may be missing."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise CardError(f"{path}: {error.strerror}.") from error
    _check_owner(path, found)
    if not stat.S_ISDIR(found.st_mode):
        raise CardError(f"{path} is not a folder.")
    if found.st_mode & stat.S_IWOTH:
        raise CardError(f"{path} is a folder that every user of this PC can write to; chmod o-w mends that.")


def read(path: Path) -> bytes:
    """Return the content of a file; raise CardError, and FileNotFoundError where there is none."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink():
            raise CardError(f"{path} is a symbolic link, which is not followed.") from error
        raise CardError(f"{path}: {error.strerror}.") from error


def write_atomically(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Replace a file so that, whatever kills us, either the old or the new one is there."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)  # of a process that was killed
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file atomically, and return when the new one would outlast a loss of power."""
    write_atomically(path, content, sync=True)
    _sync_folder(path.parent)


def write_digit(path: Path, content: bytes) -> bool:
    """Change one byte of a file, which no kill can tear; False when the new content differs in more.

    A rename costs a sign-in a hundred times as much: the file system hurries to the disk for it.
    """
    try:
        with open(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "r+b", buffering=0) as file:
            old = file.read()
            places = [place for place, pair in enumerate(zip(old, content, strict=False)) if pair[0] != pair[1]]
            if len(old) != len(content) or len(places) > 1:
                return False
            for place in places:
                os.pwrite(file.fileno(), content[place : place + 1], place)
    except PermissionError:  # a read-only file can still be replaced
        return False
    return True


def remove_durably(paths: list[Path]) -> None:
    """Remove files of one folder, those that are there."""
    if not paths:
        return
    for path in paths:
        path.unlink(missing_ok=True)
    _sync_folder(paths[0].parent)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise CardError(f"{path} is a symbolic link, which is not followed.")
    if found.st_uid != os.geteuid():
        raise CardError(f"{path} belongs to another user.")


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
