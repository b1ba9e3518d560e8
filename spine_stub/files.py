"""Files with keys in them, readable by their owner only and never half written; files that change."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stamp:
    """What is different about a file once somebody has written it again."""

    modified: int = 0
    size: int = 0
    inode: int = 0

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a file now; the same one for every file that is not there."""
        try:
            status = path.stat()
        except OSError:
            return cls()
        return cls(status.st_mtime_ns, status.st_size, status.st_ino)


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
