"""Private-key operations: checked with another library's public keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from support.emulator import SELECT_PIV, CardKey, card_keys, send

from emulator import VirtualCard
from emulator.identifiers import Algorithm
from emulator.iso7816 import tlv
from emulator.keys.private_key import PrivateKey, PrivateKeyError

DIGEST_INFO_SHA256 = bytes.fromhex("3031300D060960864801650304020105000420")
MESSAGE = b"a challenge of 48 bytes, as the broker sends it."


def pem(key: CardKey | ed25519.Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def padded(digest_info: bytes, size: int = 256) -> bytes:
    """RFC 8017, section 9.2: EMSA-PKCS1-v1_5, as the client does it for the card."""
    filling = b"\xff" * (size - 3 - len(digest_info))
    return b"\x00\x01" + filling + b"\x00" + digest_info


def test_rsa_is_the_raw_operation() -> None:
    key = card_keys()["9A"]
    assert isinstance(key, rsa.RSAPrivateKey)
    block = padded(DIGEST_INFO_SHA256 + hashlib.sha256(MESSAGE).digest())
    signature = PrivateKey.from_pem(pem(key)).apply(block)
    key.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    numbers = key.private_numbers()
    expected = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    assert signature == expected.to_bytes(256, "big")


@pytest.mark.parametrize("block", [b"", bytes(255), bytes(257), b"\xff" * 256])
def test_rsa_refuses_what_is_no_block_of_its_modulus(block: bytes) -> None:
    with pytest.raises(PrivateKeyError):
        PrivateKey.from_pem(pem(card_keys()["9A"])).apply(block)


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha384", "sha512"])
def test_ecc_signs_a_hash_of_any_length(name: str) -> None:
    key = card_keys()["9C"]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = PrivateKey.from_pem(pem(key)).apply(hashlib.new(name, MESSAGE).digest())
    algorithm = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384}
    key.public_key().verify(signature, MESSAGE, ec.ECDSA(algorithm.get(name, hashes.SHA512)()))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), Algorithm.ECC_P256),
        (ec.generate_private_key(ec.SECP384R1()), Algorithm.ECC_P384),
        (rsa.generate_private_key(65537, 2048), Algorithm.RSA_2048),
    ],
)
def test_algorithm_of_a_key(key: CardKey, algorithm: Algorithm) -> None:
    assert PrivateKey.from_pem(pem(key)).algorithm == algorithm


def test_files_that_hold_no_usable_key() -> None:
    p256 = ec.generate_private_key(ec.SECP256R1())
    public = p256.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    broken = pem(p256).replace(b"M", b"N", 2)
    unusable = [b"", b"rubbish", public, pem(p256, b"secret"), broken]
    unusable += [pem(ec.generate_private_key(ec.SECP521R1()))]
    unusable += [pem(ed25519.Ed25519PrivateKey.generate())]
    for content in unusable:
        with pytest.raises(PrivateKeyError):
            PrivateKey.from_pem(content)


def test_a_card_signs_with_9a_over_chained_commands(virtual_card: VirtualCard) -> None:
    """SP 800-73-4 Part 2, section A.4: the block in two links, the answer in two parts."""
    block = padded(DIGEST_INFO_SHA256 + hashlib.sha256(MESSAGE).digest())
    template = tlv.encode(0x7C, tlv.encode(0x82), tlv.encode(0x81, block)).hex()
    send(virtual_card, SELECT_PIV)
    assert send(virtual_card, "0020008008313233343536FFFF") == ("", "9000")
    assert send(virtual_card, "1087079AFF" + template[:510]) == ("", "9000")
    rest = template[510:]
    first, status = send(virtual_card, f"0087079A{len(rest) // 2:02X}{rest}00")
    assert status == "6108"
    second, status = send(virtual_card, "00C0000008")
    assert status == "9000"
    answer = tlv.parse(tlv.parse(bytes.fromhex(first + second))[0x7C])
    key = card_keys()["9A"]
    assert isinstance(key, rsa.RSAPrivateKey)
    key.public_key().verify(answer[0x82], MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def test_a_wrong_key_file_names_itself(card_folder: Path) -> None:
    from emulator import Card, CardError

    (card_folder / "9C.key.pem").write_bytes(b"rubbish")
    with pytest.raises(CardError, match=r"9C\.key\.pem: not a PEM file"):
        Card.open(card_folder)
