"""Key pairs that are made on the card or brought to it, and key agreement, by python-cryptography.

GENERATE ASYMMETRIC KEY PAIR and ECDH are SP 800-73-4 Part 2, sections 3.3.2 and A.5; algorithms
and key sizes are SP 800-78-4, table 6-2, SP 800-78-5 for RSA 3072, and Yubico for RSA 4096.
"""

from __future__ import annotations

import math

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ..identifiers import Algorithm, Origin, PasscodePolicy
from ..iso7816 import tlv
from .private_key import PrivateKey, PrivateKeyError

_EXPONENT = 65537
_RSA_BITS = {Algorithm.RSA_2048: 2048, Algorithm.RSA_3072: 3072, Algorithm.RSA_4096: 4096}
"""RSA 1024 is missing: old cards have such keys, new ones get none (SP 800-78-4, table 3-1)."""
_CURVES: dict[Algorithm, type[ec.EllipticCurve]] = {Algorithm.ECC_P256: ec.SECP256R1, Algorithm.ECC_P384: ec.SECP384R1}
_ORDERS = {
    Algorithm.ECC_P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    Algorithm.ECC_P384: int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    ),
}
"""How many points a curve has (FIPS 186-4, section D.1.2): a private scalar is smaller."""
_MODULUS, _PUBLIC_EXPONENT, _POINT = 0x81, 0x82, 0x86
_UNCOMPRESSED = 0x04

KeyPair = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
"""A key as python-cryptography has it."""

GENERATED = (*_RSA_BITS, *_CURVES)
"""The algorithms that new keys can have."""


def generate(algorithm: Algorithm, policy: PasscodePolicy | None = None) -> PrivateKey:
    """Return a new key; raise PrivateKeyError when none is generated for this algorithm."""
    if algorithm in _RSA_BITS:
        return from_pair(rsa.generate_private_key(_EXPONENT, _RSA_BITS[algorithm]), Origin.GENERATED, policy)
    if algorithm in _CURVES:
        return from_pair(ec.generate_private_key(_CURVES[algorithm]()), Origin.GENERATED, policy)
    raise PrivateKeyError(f"no key pair is generated for {algorithm.name}")


def from_numbers(algorithm: Algorithm, numbers: tuple[int, ...], policy: PasscodePolicy | None = None) -> PrivateKey:
    """Return the RSA key with p, q, dP, dQ and qInv, or the EC key with this scalar."""
    try:
        pair = _rsa_pair(*numbers) if len(numbers) > 1 else _ec_pair(algorithm, numbers[0])
        key = from_pair(pair, Origin.IMPORTED, policy)
    except (ValueError, KeyError, TypeError):
        raise PrivateKeyError(f"not the numbers of a key for {algorithm.name}") from None
    if key.algorithm != algorithm or algorithm not in GENERATED:
        raise PrivateKeyError(f"not a new key for {algorithm.name}")
    return key


def from_pair(pair: KeyPair, origin: Origin = Origin.IMPORTED, policy: PasscodePolicy | None = None) -> PrivateKey:
    """Return the card's form of a key; raise PrivateKeyError when no PIV algorithm is for it."""
    encoding, form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    return PrivateKey(pair.private_bytes(encoding, form, serialization.NoEncryption()), origin, policy)


def key_pair(key: PrivateKey) -> KeyPair:
    """Return the key as python-cryptography has it, for what a card itself never does."""
    pair = serialization.load_der_private_key(key.der, None)
    assert isinstance(pair, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)  # noqa: S101 - PrivateKey takes no other
    return pair


def public_key(key: PrivateKey) -> bytes:
    """Return the public key's data objects (Part 2, table 12): modulus and exponent, or a point."""
    pair = key_pair(key)
    if isinstance(pair, ec.EllipticCurvePrivateKey):
        encoding, form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        return tlv.encode(_POINT, pair.public_key().public_bytes(encoding, form))
    numbers = pair.public_key().public_numbers()
    return tlv.encode(_MODULUS, _octets(numbers.n)) + tlv.encode(_PUBLIC_EXPONENT, _octets(numbers.e))


def agree(key: PrivateKey, point: bytes) -> bytes:
    """Return the x-coordinate that both sides get by ECDH; raise PrivateKeyError."""
    pair = key_pair(key)
    if not isinstance(pair, ec.EllipticCurvePrivateKey) or point[:1] != bytes((_UNCOMPRESSED,)):
        raise PrivateKeyError("ECDH needs an EC key and an uncompressed point")
    try:
        return pair.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(pair.curve, point))
    except ValueError:
        raise PrivateKeyError("the point is not on this key's curve") from None


def _ec_pair(algorithm: Algorithm, scalar: int) -> ec.EllipticCurvePrivateKey:
    if not 0 < scalar < _ORDERS[algorithm]:
        raise ValueError("not a private scalar of this curve")
    return ec.derive_private_key(scalar, _CURVES[algorithm]())


def _rsa_pair(p: int, q: int, d_p: int, d_q: int, q_inverse: int) -> rsa.RSAPrivateKey:
    """The public exponent is not sent: it is the inverse of dP modulo p - 1."""
    exponent = pow(d_p, -1, p - 1)
    private_exponent = pow(exponent, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    return rsa.RSAPrivateNumbers(p, q, private_exponent, d_p, d_q, q_inverse, public).private_key()


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
