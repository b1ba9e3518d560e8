"""docs/people-sessions-certificates.md, followed to the letter by somebody in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from support.machine import need

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "people-sessions-certificates.md"


def steps() -> Iterator[tuple[str, str]]:
    """Each command of the page, and what the page says that it prints."""
    for block in re.findall(r"(?:^    .*\n)+", PAGE.read_text(), re.MULTILINE):
        for step in textwrap.dedent(block).split("$ ")[1:]:
            command, _, said = step.partition("\n")
            yield command, said


def revoked(data: Path, certificate: Path) -> bool:
    revocations = x509.load_pem_x509_crl((data / "ca/issuing.crl.pem").read_bytes())
    serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
    return revocations.get_revoked_certificate_by_serial_number(serial) is not None


def test_the_page_can_be_followed_in_an_empty_folder(tmp_path: Path) -> None:
    need("openssl")
    here, programs = tmp_path / "here", tmp_path / "programs"
    for folder in (here, programs):
        folder.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    environment = {
        **os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
        "XDG_DATA_HOME": str(tmp_path / "home"), "VIRTUAL_ENV": sys.prefix,
    }  # fmt: skip
    data = tmp_path / "home" / "lanyard"
    for command, said in steps():
        done = subprocess.run(
            ["sh", "-c", command], cwd=here, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout.strip() == said.replace("DIR/", f"{data}/").strip(), command
    assert revoked(data, data / "cards/jo-smith/9A.cert.pem")
    assert revoked(data, here / "card.pem")
    assert not revoked(data, data / "cards/one-role/9A.cert.pem")
