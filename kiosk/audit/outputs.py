"""Where the record goes: journald, or a file that is rotated."""

from __future__ import annotations

import contextlib
import io
import os
import socket
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..errors import CannotWrite
from .record import LINES_LOST, line

JOURNAL = Path("/run/systemd/journal/socket")
IDENTIFIER = "lanyard-audit"
OLDER_FILES = 9
MOST_KEPT = 1000
"""Lines that wait for a disk that is full, or a journal that is being restarted."""


class Output(Protocol):
    """A place for lines."""

    def write(self, text: str) -> None:
        """Raises CannotWrite."""

    def close(self) -> None: ...


class Journal:
    """journald, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram for each line."""

    def __init__(self, path: Path = JOURNAL) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def write(self, text: str) -> None:
        """A line has no line break in it, and so needs no length before it. Raises CannotWrite."""
        entry = f"MESSAGE={text}\nPRIORITY=6\nSYSLOG_IDENTIFIER={IDENTIFIER}\n"
        try:
            self._socket.sendto(entry.encode(), str(self._path))
        except OSError as error:
            raise CannotWrite(f"journald at {self._path} takes nothing: {error.strerror}.") from None

    def close(self) -> None:
        self._socket.close()


class RotatedFile:
    """A file for its owner alone. From a size on it becomes FILE.1, and that FILE.2, up to FILE.9."""

    def __init__(self, path: Path, megabytes: int) -> None:
        """Raises CannotWrite."""
        self._path, self._size = path, megabytes << 20
        self.write("")

    def write(self, text: str) -> None:
        """Write the whole line or, where there is no room for it, nothing of it. Raises CannotWrite."""
        raw = (text + "\n").encode() if text else b""
        try:
            self._append(raw)
        except OSError as error:
            raise CannotWrite(f"{self._path} cannot be written: {error.strerror}.") from None

    def close(self) -> None:
        """Nothing is open between two lines, so that another program may move the file."""

    def _append(self, raw: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self._path, flags, 0o600), "wb", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            if before + len(raw) <= self._size or not before:
                self._write_whole(file, raw, before)
                return
        self._rotate()
        self._append(raw)

    def _write_whole(self, file: io.FileIO, raw: bytes, before: int) -> None:
        try:
            while raw:
                raw = raw[file.write(raw) :]
        except OSError:
            file.truncate(before)
            raise

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, OLDER_FILES + 1))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)


class Patient:
    """Keeps lines that cannot be written for later. Of more than MOST_KEPT the oldest are lost, which is recorded."""

    def __init__(self, output: Output, clock: Callable[[], datetime]) -> None:
        self._output, self._clock = output, clock
        self._kept: deque[str] = deque()
        self._lost = 0
        self.problem = ""
        """Why lines are waiting, empty where none are."""

    def write(self, text: str) -> None:
        """Write a line, after all that wait."""
        self._kept.append(text)
        while len(self._kept) > MOST_KEPT:
            self._kept.popleft()
            self._lost += 1
        self.try_again()

    def try_again(self) -> None:
        """Write what is waiting, as far as it can be."""
        try:
            if self._lost:
                self._output.write(line(self._clock(), LINES_LOST, number=self._lost))
                self._lost = 0
            while self._kept:
                self._output.write(self._kept[0])
                self._kept.popleft()
            self.problem = ""
        except CannotWrite as error:
            self.problem = str(error)
