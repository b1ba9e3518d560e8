"""DIR: what lies in it, as paths relative to it, and how it is kept for its owner alone.

ca.pem              the root: what clients must trust. Its presence says that DIR is complete
ca/                 the broker's own: keys, issuing CA, revocation lists
people.toml         people and roles, to be read and edited
clients.toml        applications that sign people in by OpenID Connect, to be read and edited
cards/NAME/         a demonstration card each; pki/demo_cards.py has the format
sessions.sqlite     sessions and used challenges, unless --store says otherwise
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import DataError

ROOT = Path("ca.pem")
PEOPLE = Path("people.toml")
CLIENTS = Path("clients.toml")
CARDS = Path("cards")
SESSIONS = Path("sessions.sqlite")

CA = Path("ca")
ROOT_KEY = CA / "root.key.pem"
ISSUING = CA / "issuing.cert.pem"
ISSUING_KEY = CA / "issuing.key.pem"
REVOCATION_LIST = CA / "issuing.crl.pem"
ROOT_REVOCATION_LIST = CA / "root.crl.pem"
"""Which authorities are revoked. A folder from before there was one does without."""
ISSUED = CA / "issued"
"""Certificates issued from requests, one file each, so that they can be revoked."""
CHALLENGE_SECRET = CA / "challenge.secret"


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """What differs once somebody has written a file again: date, size and inode; None when it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def take_folder(data: Path) -> None:
    """Make DIR for its owner only, or take one that is there as it is; raises OSError and DataError."""
    try:
        data.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        check_folder(data)


def check_folder(data: Path) -> None:
    """DIR is there, is ours, and nobody else put anything into it: whoever did could bring their own CA.

    Raises OSError and DataError.
    """
    for path in (data, *(data / entry for entry in (ROOT, CA, CARDS, PEOPLE, CLIENTS))):
        _check_owner(path)
    if data.stat().st_mode & stat.S_IWOTH:
        raise DataError(f"every user can write to {data}: chmod o-w {data}, or choose another folder with --data")


def check_plain_file(path: Path) -> None:
    """A file that is about to be written is no symbolic link to something else, and is ours; raises DataError."""
    _check_owner(path)
    if path.is_symlink():
        raise DataError(f"{path} is a symbolic link; what it leads to is left alone")


def _check_owner(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        owners = {path.lstat().st_uid, path.stat().st_uid}
        if owners != {os.geteuid()}:
            other = max(owners - {os.geteuid()})
            raise DataError(f"{path} belongs to another user (uid {other}): choose a folder of your own with --data")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time changes a folder; the lock ends with the process, whatever happens."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, replacing an older one in one step."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
