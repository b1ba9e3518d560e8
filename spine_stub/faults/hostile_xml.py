"""XML that is made to hurt whoever parses it carelessly: for tests of clients, against themselves."""

from __future__ import annotations

from collections.abc import Iterator

HUGE_SIZE = 100 * 1024 * 1024
_DEPTH = 100_000
_BOMB_LEVELS = 10

DEEP = '<?xml version="1.0"?>\n<gpOBJECT>' + "<gpPARAM>" * _DEPTH + "</gpPARAM>" * _DEPTH + "</gpOBJECT>\n"


def bomb() -> str:
    """Entities of entities: 3 kB that grow to 3 GB."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">\n' for n in range(1, _BOMB_LEVELS))
    last = _BOMB_LEVELS - 1
    return (
        f'<?xml version="1.0"?>\n<!DOCTYPE gpOBJECT [\n<!ENTITY e0 "aaa">\n{levels}]>\n'
        f'<gpOBJECT><gpPARAM name="challenge">&e{last};</gpPARAM></gpOBJECT>\n'
    )


def external(base: str) -> str:
    """An entity that is to be fetched from this broker: a client that does so is seen in the record."""
    return (
        f'<?xml version="1.0"?>\n<!DOCTYPE gpOBJECT [<!ENTITY e SYSTEM "{base}/login/error?external-entity">]>\n'
        '<gpOBJECT><gpPARAM name="challenge">&e;</gpPARAM></gpOBJECT>\n'
    )


def huge() -> Iterator[bytes]:
    """One parameter of 100 MB."""
    part = b"A" * 65536
    yield b'<?xml version="1.0"?>\n<gpOBJECT><gpPARAM name="challenge">'
    for _ in range(HUGE_SIZE // len(part)):
        yield part
    yield b"</gpPARAM></gpOBJECT>\n"
