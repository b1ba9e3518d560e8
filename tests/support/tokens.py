"""PKCS#11 modules for tests: OpenSC's, SoftHSM with a demonstration card's keys, and one that misbehaves on demand."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import TokenCard
from support.agent_program import programs_with
from support.emulator import PASSCODE
from support.machine import need, unavailable

UNBLOCKING_CODE = "12345678"
LIBRARIES = next(iter(Path("/usr/lib").glob("*/opensc-pkcs11.so")), Path("/usr/lib/opensc-pkcs11.so")).parent
OPENSC = f"pkcs11:?module-path={LIBRARIES}/opensc-pkcs11.so"
SOFTHSM = LIBRARIES / "softhsm" / "libsofthsm2.so"
ODD_SOURCE = Path(__file__).with_name("odd_module.c")


class SoftToken:
    """SoftHSM with one token, in a folder of its own; it lies in no reader."""

    def __init__(self, folder: Path, label: str = "Demonstration") -> None:
        self.label = label
        self.uri = f"pkcs11:token={label}?module-path={SOFTHSM}"
        configuration = folder / "softhsm2.conf"
        (folder / "tokens").mkdir(parents=True)
        configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        pins = ("--pin", PASSCODE, "--so-pin", UNBLOCKING_CODE)
        run("softhsm2-util", "--init-token", "--free", "--label", label, *pins)

    def add(self, card: Path, slot: str, identifier: str, label: str = "") -> None:
        """Put a key and its certificate of a demonstration card there."""
        name = ("--id", identifier, "--label", label or slot)
        key, certificate = card / f"{slot}.key.pem", card.with_name(f"{slot}.der")
        run("softhsm2-util", "--import", str(key), "--token", self.label, "--pin", PASSCODE, *name)
        run("openssl", "x509", "-in", str(card / f"{slot}.cert.pem"), "-outform", "der", "-out", str(certificate))
        self.tool("--login", "--pin", PASSCODE, "--write-object", str(certificate), "--type", "cert", *name)

    def tool(self, *arguments: str) -> str:
        return run("pkcs11-tool", "--module", str(SOFTHSM), "--token-label", self.label, *arguments)


def children() -> list[int]:
    """The modules' processes that this process has."""
    found = []
    for each in programs_with(TokenCard.CHILD):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if f"PPid:\t{os.getpid()}\n" in Path(f"/proc/{each}/status").read_text():
                found.append(each)
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def soft_token(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """Return a token with key 9A of the card one-role."""
    need("PyKCS11", "softhsm2-util", "pkcs11-tool", "openssl")
    monkeypatch.setenv("SOFTHSM2_CONF", "")  # put back at the end
    token = SoftToken(tmp_path / "softhsm")
    token.add(data / "cards" / "one-role", "9A", "01")
    return token


@pytest.fixture(scope="session")
def odd_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build the module that misbehaves as the environment's ODD says (odd_module.c)."""
    need("gcc", "pkg-config")
    flags = subprocess.run(["pkg-config", "--cflags", "p11-kit-1"], capture_output=True, text=True, check=False)
    if flags.returncode:
        unavailable("no header files of p11-kit (libp11-kit-dev)")
    module = tmp_path_factory.mktemp("odd") / "odd.so"
    run(
        "gcc",
        "-Wall",
        "-Wextra",
        "-Werror",
        *flags.stdout.split(),
        "-shared",
        "-fPIC",
        "-o",
        str(module),
        str(ODD_SOURCE),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM", str(SOFTHSM))
        yield module
