"""GnuTLS's p11tool against the virtual card in pcscd."""

from __future__ import annotations

import re
from pathlib import Path

from support.emulator import PASSCODE, UID
from support.machine import need
from support.programs import run

LABELS = {"PIV AUTH": "PIV Authentication", "SIGN": "Digital Signature", "KEY MAN": "Key Management"}


def test_p11tool_lists_all(card: Path, opensc_pkcs11: str) -> None:
    need("p11tool")
    said = run(
        *("p11tool", "--provider", opensc_pkcs11, "--login", "--list-all", f"pkcs11:token={UID}"),
        environment={"GNUTLS_PIN": PASSCODE},
    )
    found = set(re.findall(r"Type: (.+)\n(?:\t.+\n)*?\tLabel: (.+)\n", said))
    assert {kind for kind, label in found if label == "PIV AUTH key"} == {"Private key (RSA-2048)"}
    for key, certificate in LABELS.items():
        assert any(kind.startswith("Public key") and label == f"{key} pubkey" for kind, label in found)
        assert any(kind.startswith("X.509") and label == f"Certificate for {certificate}" for kind, label in found)
