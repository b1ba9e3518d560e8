"""OpenSC's piv-tool, which personalises PIV cards, against the virtual card in pcscd.

Its exit codes are not asked: 0.23 and 0.26 end loading a certificate with the count of bytes they wrote.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.emulator import card_keys, self_signed
from support.machine import need
from support.programs import CardDesk, run

DEFAULT_KEY = ":".join(["01", "02", "03", "04", "05", "06", "07", "08"] * 3)
EXTERNAL_AUTHENTICATE = "M:9B:03"
AES_192 = 0x0A
IMPORTED_UID = "555000000099"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


def piv_tool(folder: Path, *arguments: str, admin: str = EXTERNAL_AUTHENTICATE, key: str = DEFAULT_KEY) -> str:
    """Run piv-tool with the management key, return what it said."""
    need("piv-tool")
    (folder / "management-key").write_text(key + "\n")
    return run(
        *("piv-tool", "--admin", admin, *arguments),
        code=None,
        environment={"PIV_EXT_AUTH_KEY": str(folder / "management-key")},
    )


def key_in(card: Path, slot: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """Return the private key that a card has now."""
    key = serialization.load_pem_private_key((card / f"{slot}.key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


@pytest.mark.parametrize(
    ("reference", "kind", "size"),
    [
        ("9A:07", rsa.RSAPrivateKey, 2048),
        ("9C:11", ec.EllipticCurvePrivateKey, 256),
        ("9D:14", ec.EllipticCurvePrivateKey, 384),
    ],
)
def test_piv_tool_generates_a_key(reference: str, kind: type, size: int, own_card: Path, tmp_path: Path) -> None:
    slot = reference[:2]
    before = (own_card / f"{slot}.key.pem").read_bytes()
    said = piv_tool(tmp_path, "--genkey", reference, "--out", str(tmp_path / "public"))
    assert (own_card / f"{slot}.key.pem").read_bytes() != before
    key = key_in(own_card, slot)
    assert isinstance(key, kind)
    assert key.key_size == size
    if "unable to gen" in said:  # 0.23 with OpenSSL 3 cannot write down what the card answered
        return
    public = key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert (tmp_path / "public").read_bytes() == public


def test_piv_tool_loads_certificates(own_card: Path, tmp_path: Path) -> None:
    """One as it is, one compressed with gzip, which OpenSC then reads too."""
    certificate = self_signed(IMPORTED_UID, card_keys()["9A"])
    (tmp_path / "certificate").write_bytes(certificate.public_bytes(PEM))
    piv_tool(tmp_path, "--cert", "9A", "--in", str(tmp_path / "certificate"))
    assert x509.load_pem_x509_certificate((own_card / "9A.cert.pem").read_bytes()) == certificate
    compressed = self_signed(IMPORTED_UID, card_keys()["9C"])
    (tmp_path / "compressed").write_bytes(gzip.compress(compressed.public_bytes(DER)))
    piv_tool(tmp_path, "--compresscert", "9C", "--in", str(tmp_path / "compressed"))
    for identifier, expected in (("01", certificate), ("02", compressed)):
        run("pkcs15-tool", "--read-certificate", identifier, "--output", str(tmp_path / "read"))
        assert x509.load_pem_x509_certificate((tmp_path / "read").read_bytes()) == expected


def test_piv_tool_loads_an_object(own_card: Path, tmp_path: Path) -> None:
    """Container 3001, printed information, back through pkcs15-tool."""
    content = bytes.fromhex("0109") + b"SOMEBODY!" + bytes.fromhex("FE00")
    (tmp_path / "object").write_bytes(bytes((0x53, len(content))) + content)
    piv_tool(tmp_path, "--object", "3001", "--in", str(tmp_path / "object"))
    said = run(
        *("pkcs15-tool", "--verify-pin", "--pin", "123456"),
        *("--read-data-object", "2.16.840.1.101.3.7.2.48.1", "--output", str(tmp_path / "read")),
    )
    assert "SOMEBODY!" in said or content in (tmp_path / "read").read_bytes()


def test_piv_tool_with_a_wrong_management_key_changes_nothing(
    own_card: Path, tmp_path: Path, card_desk: CardDesk
) -> None:
    before = (own_card / "9A.key.pem").read_bytes()
    wrong = ":".join(["AA"] * 24)
    said = piv_tool(tmp_path, "--genkey", "9A:11", "--out", str(tmp_path / "public"), key=wrong)
    assert "admin_mode failed" in said
    assert (own_card / "9A.key.pem").read_bytes() == before


def test_piv_tool_authenticates_with_an_aes_key(card_desk: CardDesk, tmp_path: Path) -> None:
    from support.emulator import write_settings

    card = card_desk.new_card(
        lambda folder: write_settings(
            folder, management_key=DEFAULT_KEY.replace(":", ""), management_algorithm="AES_192"
        )
    )
    before = (card / "9A.key.pem").read_bytes()
    piv_tool(tmp_path, "--genkey", "9A:11", "--out", str(tmp_path / "public"), admin=f"M:9B:{AES_192:02X}")
    assert (card / "9A.key.pem").read_bytes() != before
    assert isinstance(key_in(card, "9A"), ec.EllipticCurvePrivateKey)
