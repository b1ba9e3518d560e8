"""OpenSSH signs in to a real sshd, through a pipe, with the virtual card in pcscd."""

from __future__ import annotations

import getpass
import shlex
from pathlib import Path

import pytest
from support.emulator import PASSCODE
from support.machine import need, program
from support.programs import run

SSHD_CONFIG = """
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile none
"""


def card_keys_for_ssh(library: str) -> list[str]:
    return run("ssh-keygen", "-D", library).splitlines()


@pytest.fixture
def sshd(card: Path, opensc_pkcs11: str, tmp_path: Path) -> str:
    """Return the command of an sshd for one connection, on its standard input, that lets in who has the card's key."""
    need("sshd", "ssh", "ssh-keygen")
    Path("/run/sshd").mkdir(exist_ok=True)  # as Debian's service does
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "host_key"))
    (tmp_path / "authorized_keys").write_text(card_keys_for_ssh(opensc_pkcs11)[0])
    config = tmp_path / "sshd_config"
    config.write_text(SSHD_CONFIG.format(folder=tmp_path))
    return shlex.join([str(program("sshd")), "-i", "-f", str(config), "-E", str(tmp_path / "sshd.log")])


def test_ssh_keygen_lists_the_cards_keys(card: Path, opensc_pkcs11: str) -> None:
    need("ssh-keygen")
    keys = [line.split(maxsplit=2) for line in card_keys_for_ssh(opensc_pkcs11)]
    assert [kind for kind, _, _ in keys] == ["ssh-rsa", *["ecdsa-sha2-nistp256"] * 3]
    assert keys[0][2] == "PIV AUTH pubkey"


@pytest.mark.parametrize("way", ["-I", "PKCS11Provider"])
def test_ssh_signs_in_with_the_card(way: str, sshd: str, opensc_pkcs11: str, tmp_path: Path) -> None:
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho {PASSCODE}\n")
    askpass.chmod(0o700)
    provider = ["-I", opensc_pkcs11] if way == "-I" else ["-o", f"PKCS11Provider={opensc_pkcs11}"]
    said = run(
        *("ssh", "-F", "/dev/null", *provider, "-o", f"ProxyCommand={sshd}"),
        *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known_hosts"),
        *("-o", "IdentityAgent=none", f"{getpass.getuser()}@sshd", "echo let in"),
        environment={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"},
    )
    assert "let in" in said
    assert "Accepted publickey" in (tmp_path / "sshd.log").read_text()
