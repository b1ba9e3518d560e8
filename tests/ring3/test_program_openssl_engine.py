"""OpenSSL with the PKCS#11 engine (libp11) signs with the virtual card in pcscd."""

from __future__ import annotations

from pathlib import Path

from support.emulator import PASSCODE
from support.machine import need
from support.programs import library, run

MESSAGE = "a prescription\n"


def test_openssl_signs_a_cms_through_the_engine(card: Path, opensc_pkcs11: str, tmp_path: Path) -> None:
    need("openssl")
    library("engines-3/pkcs11.so")
    message, signed = tmp_path / "message", tmp_path / "signed"
    message.write_text(MESSAGE)
    certificate = str(card / "9A.cert.pem")
    key = f"pkcs11:id=%01;type=private;pin-value={PASSCODE}"
    run(
        *("openssl", "cms", "-sign", "-nodetach", "-binary", "-engine", "pkcs11", "-keyform", "engine"),
        *("-inkey", key, "-signer", certificate, "-in", str(message), "-outform", "DER", "-out", str(signed)),
        environment={"PKCS11_MODULE_PATH": opensc_pkcs11},
    )
    verify = ("openssl", "cms", "-verify", "-inform", "DER", "-purpose", "any", "-CAfile", certificate)
    said = run(*verify, "-in", str(signed))
    assert MESSAGE in said
    assert "Verification successful" in said
