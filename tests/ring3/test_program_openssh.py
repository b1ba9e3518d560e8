"""OpenSSH signs in to a real sshd on loopback with the virtual card in pcscd."""

from __future__ import annotations

import getpass
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.emulator import PASSCODE
from support.machine import TIED_TO_THE_RUN, need, program, stop, wait_until
from support.programs import run

SSHD_CONFIG = """
ListenAddress 127.0.0.1
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
def sshd(card: Path, opensc_pkcs11: str, tmp_path: Path) -> Iterator[int]:
    """Run an sshd that lets in who has the card's first key; yield its port."""
    need("sshd", "ssh", "ssh-keygen", "setpriv")
    Path("/run/sshd").mkdir(exist_ok=True)  # as Debian's service does
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "host_key"))
    (tmp_path / "authorized_keys").write_text(card_keys_for_ssh(opensc_pkcs11)[0])
    config = tmp_path / "sshd_config"
    config.write_text(SSHD_CONFIG.format(folder=tmp_path))
    port = free_port()
    with (tmp_path / "sshd.log").open("wb") as log:
        command = [str(program("sshd")), "-D", "-e", "-f", str(config), "-p", str(port)]
        process = subprocess.Popen([*TIED_TO_THE_RUN, *command], stderr=log)
    wait_until(lambda: "listening" in (tmp_path / "sshd.log").read_text(), what="sshd")
    yield port
    stop(process)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_ssh_keygen_lists_the_cards_keys(card: Path, opensc_pkcs11: str) -> None:
    need("ssh-keygen")
    keys = [line.split(maxsplit=2) for line in card_keys_for_ssh(opensc_pkcs11)]
    assert [kind for kind, _, _ in keys] == ["ssh-rsa", *["ecdsa-sha2-nistp256"] * 3]
    assert keys[0][2] == "PIV AUTH pubkey"


@pytest.mark.parametrize("way", ["-I", "PKCS11Provider"])
def test_ssh_signs_in_with_the_card(way: str, sshd: int, opensc_pkcs11: str, tmp_path: Path) -> None:
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho {PASSCODE}\n")
    askpass.chmod(0o700)
    provider = ["-I", opensc_pkcs11] if way == "-I" else ["-o", f"PKCS11Provider={opensc_pkcs11}"]
    said = run(
        *("ssh", "-F", "/dev/null", *provider, "-p", str(sshd)),
        *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known_hosts"),
        *("-o", "IdentityAgent=none", f"{getpass.getuser()}@127.0.0.1", "echo let in"),
        environment={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"},
    )
    assert "let in" in said
    assert "Accepted publickey" in (tmp_path / "sshd.log").read_text()
