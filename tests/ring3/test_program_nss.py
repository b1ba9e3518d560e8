"""NSS's modutil and certutil: how Firefox and Chromium get to a card, against the virtual card in pcscd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.emulator import PASSCODE, UID
from support.machine import need
from support.programs import run

KEYS = ["PIV AUTH key", "SIGN key", "KEY MAN key", "CARD AUTH key"]


@pytest.fixture
def database(tmp_path: Path, opensc_pkcs11: str) -> str:
    """Make a certificate database that knows OpenSC's library."""
    need("certutil", "modutil")
    run("certutil", "-N", "-d", f"sql:{tmp_path}", "--empty-password")
    said = run("modutil", "-dbdir", f"sql:{tmp_path}", "-add", "card", "-libfile", opensc_pkcs11, "-force")
    assert 'Module "card" added' in said
    return f"sql:{tmp_path}"


def test_modutil_and_certutil(card: Path, database: str, tmp_path: Path) -> None:
    assert f"token: {UID}" in run("modutil", "-dbdir", database, "-list")
    listed = run("certutil", "-L", "-d", database, "-h", "all")
    trusted = re.findall(rf"^{UID}:(Certificate for .+?) +u,u,u", listed, re.MULTILINE)
    assert len(trusted) == 4
    passcode = tmp_path / "passcode"
    passcode.write_text(f"{PASSCODE}\n")
    keys = run("certutil", "-K", "-d", database, "-h", UID, "-f", str(passcode))
    assert re.findall(r"<.+> (?:rsa|ec) +\w+ +(.+)", keys) == KEYS
