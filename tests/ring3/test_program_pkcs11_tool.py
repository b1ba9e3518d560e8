"""OpenSC's pkcs11-tool, which uses the card as any PKCS#11 program does, against the virtual card in pcscd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.emulator import PASSCODE, card_keys, tries_left_on_disk, write_key
from support.machine import need
from support.programs import CardDesk, run

MESSAGE = b"a challenge of 48 bytes, as the broker sends it."
WITH_PASSCODE = ("--login", "--pin", PASSCODE)
OPENSSL = ["--signature-format", "openssl"]
pytestmark = pytest.mark.usefixtures("programs")


@pytest.fixture(scope="module")
def programs() -> None:
    need("pkcs11-tool", "pkcs15-tool", "openssl")


def test_pkcs11_tool_test(card: Path) -> None:
    said = run("pkcs11-tool", *WITH_PASSCODE, "--test")
    assert "No errors" in said
    assert "ERR" not in said
    keys = re.findall(r"testing key (\d) \((.+?)\)", said)
    assert {name for _, name in keys} == {"PIV AUTH key", "SIGN key", "KEY MAN key", "CARD AUTH key"}
    for mechanism in ("RSA-X-509", "RSA-PKCS", "SHA1-RSA-PKCS", "SHA256-RSA-PKCS"):
        assert f"{mechanism}: OK" in said


@pytest.mark.parametrize(
    ("key", "mechanism", "options", "digest"),
    [
        ("01", "SHA1-RSA-PKCS", [], "-sha1"),
        ("01", "SHA256-RSA-PKCS", [], "-sha256"),
        ("01", "SHA256-RSA-PKCS-PSS", [], "-sha256"),
        ("02", "ECDSA-SHA256", OPENSSL, "-sha256"),
        ("04", "ECDSA-SHA1", OPENSSL, "-sha1"),
    ],
)
def test_pkcs11_tool_signs_messages(
    key: str, mechanism: str, options: list[str], digest: str, card: Path, tmp_path: Path
) -> None:
    message, signature = sign(MESSAGE, key, mechanism, options, tmp_path)
    pss = ["-sigopt", "rsa_padding_mode:pss"] if mechanism.endswith("PSS") else []
    verify = ("openssl", "dgst", digest, *pss, "-verify", public_key(key, tmp_path))
    assert "Verified OK" in run(*verify, "-signature", signature, message)


@pytest.mark.parametrize(
    ("key", "mechanism", "options", "padding"),
    [
        ("01", "RSA-PKCS-PSS", ["--hash-algorithm", "SHA256"], ["rsa_padding_mode:pss", "digest:sha256"]),
        ("02", "ECDSA", OPENSSL, []),
    ],
)
def test_pkcs11_tool_signs_hashes(
    key: str, mechanism: str, options: list[str], padding: list[str], card: Path, tmp_path: Path
) -> None:
    file, signature = sign(MESSAGE[:32], key, mechanism, options, tmp_path)
    how = [word for option in padding for word in ("-pkeyopt", option)]
    verify = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public_key(key, tmp_path), *how)
    assert "Verified Successfully" in run(*verify, "-in", file, "-sigfile", signature)


def sign(data: bytes, key: str, mechanism: str, options: list[str], folder: Path) -> tuple[str, str]:
    """Sign with the card; return the files with the data and the signature."""
    file, signature = folder / "data", folder / "signature"
    file.write_bytes(data)
    run(
        *("pkcs11-tool", *WITH_PASSCODE, "--sign", "--id", key, "--mechanism", mechanism, *options),
        *("--input-file", str(file), "--output-file", str(signature)),
    )
    return str(file), str(signature)


def public_key(key: str, folder: Path) -> str:
    path = folder / f"{key}.pem"
    run("pkcs15-tool", "--read-public-key", key, "--output", str(path))
    return str(path)


@pytest.mark.parametrize(
    ("mechanism", "padding", "options"),
    [
        ("RSA-PKCS", [], []),
        ("RSA-PKCS-OAEP", ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256"], ["--hash-algorithm", "SHA256"]),
    ],
)
def test_pkcs11_tool_decrypts_with_9d(
    mechanism: str, padding: list[str], options: list[str], card_desk: CardDesk, tmp_path: Path
) -> None:
    card_desk.card("rsa-9d", rsa_key_management)
    secret, encrypted, decrypted = (tmp_path / name for name in ("secret", "encrypted", "decrypted"))
    secret.write_bytes(MESSAGE[:32])
    how = [word for option in padding for word in ("-pkeyopt", option)]
    encrypt = ("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", public_key("03", tmp_path), *how)
    run(*encrypt, "-in", str(secret), "-out", str(encrypted))
    run(
        *("pkcs11-tool", *WITH_PASSCODE, "--decrypt", "--id", "03", "--mechanism", mechanism, *options),
        *("--input-file", str(encrypted), "--output-file", str(decrypted)),
    )
    assert decrypted.read_bytes() == MESSAGE[:32]


def rsa_key_management(folder: Path) -> None:
    """Give a card an RSA key in 9D."""
    write_key(folder, "9D", card_keys()["9A"])


def test_pkcs11_tool_agrees_on_a_secret_with_9d(card: Path, tmp_path: Path) -> None:
    """ECDH: what the card and OpenSSL each make of their own private key and the other's public key."""
    theirs, sent, from_card, from_openssl = (str(tmp_path / name) for name in ("theirs", "sent", "card", "openssl"))
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", theirs)
    run("openssl", "pkey", "-in", theirs, "-pubout", "-outform", "DER", "-out", sent)
    derive = ("pkcs11-tool", *WITH_PASSCODE, "--derive", "--mechanism", "ECDH1-DERIVE", "--id", "03")
    run(*derive, "--input-file", sent, "--output-file", from_card)
    ours = public_key("03", tmp_path)
    run("openssl", "pkeyutl", "-derive", "-inkey", theirs, "-peerkey", ours, "-out", from_openssl)
    assert len(Path(from_card).read_bytes()) == 32
    assert Path(from_card).read_bytes() == Path(from_openssl).read_bytes()


def test_pkcs11_tool_counts_wrong_passcodes(own_card: Path) -> None:
    said = run("pkcs11-tool", "--login", "--pin", "000000", "--list-objects", code=1)
    assert "CKR_PIN_INCORRECT" in said
    assert tries_left_on_disk(own_card) == 2
    run("pkcs11-tool", *WITH_PASSCODE, "--list-objects")
    assert tries_left_on_disk(own_card) == 3
    for _ in range(3):
        run("pkcs11-tool", "--login", "--pin", "000000", "--list-objects", code=1)
    assert tries_left_on_disk(own_card) == 0
    assert "CKR_PIN_LOCKED" in run("pkcs11-tool", *WITH_PASSCODE, "--list-objects", code=1)


def test_no_passcode_in_the_log_of_all_that(card: Path, card_desk: CardDesk) -> None:
    run("pkcs11-tool", *WITH_PASSCODE, "--list-objects")
    log = card_desk.log.read_text()
    assert "Try a passcode [VERIFY, P1 00, P2 80]: 9000" in log
    assert PASSCODE not in log
