"""Looking for a secret in the memory of a running process (proc(5), /proc/PID/maps and mem), as root."""

from __future__ import annotations

import base64
import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

from support.machine import unavailable

MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)")
CHUNK = 16 << 20  # bytes read at once; a secret that lies across two chunks is found by OVERLAP
OVERLAP = 8192


@dataclass(frozen=True)
class Copy:
    """A place where a secret lies: in which mapping, how written, and the bytes around it."""

    mapping: str
    form: str
    address: int
    around: bytes

    def __str__(self) -> str:
        return f"{self.form} at {self.address:x} ({self.mapping or 'anonymous'}): {self.around!r}"


def forms(secret: str) -> dict[str, bytes]:
    """How Python, Tk, X, JSON and HTTP keep a text."""
    raw = secret.encode()
    return {
        "form": quote_plus(secret).encode(),
        "bytes": raw,
        "UTF-16": secret.encode("utf-16-le"),
        "base64": base64.b64encode(raw).rstrip(b"=")[:-1],
        "hex": raw.hex().encode(),
    }


def copies(pid: int, *secrets: str) -> list[Copy]:
    """Every place of a process's readable and writable memory where one of the secrets lies, whole."""
    wanted = {text: form for secret in secrets for form, text in forms(secret).items()}
    return [
        Copy(mapping, form, address + start, piece[max(0, start - 40) : start + len(text) + 40])
        for mapping, address, piece in _pieces(pid)
        for text, form in wanted.items()
        for start in _places(piece, text)
    ]


def _places(piece: bytes, text: bytes) -> Iterator[int]:
    start = piece.find(text)
    while start >= 0:
        yield start
        start = piece.find(text, start + 1)


def _pieces(pid: int) -> Iterator[tuple[str, int, bytes]]:
    if os.geteuid():
        unavailable("only root reads another process's memory")
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = MAPPING.fullmatch(line)
            if found and found[3].startswith("rw"):
                start, end = int(found[1], 16), int(found[2], 16)
                for address in range(start, end, CHUNK):
                    with contextlib.suppress(OSError, ValueError, OverflowError):  # gone meanwhile, or a device
                        memory.seek(address)
                        yield found[4], address, memory.read(min(CHUNK + OVERLAP, end - address))
