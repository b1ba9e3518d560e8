"""Which keys and signatures are strong enough to prove who somebody is.

The rule is that of FIPS 186-5 with SP 800-131A Rev. 2: RSA from 2048 bits with an odd public exponent
from 65537 (FIPS 186-5, 5.1), and no signature by way of MD5 or SHA-1. Elliptic curves begin at 256 bits,
as those of PIV do (SP 800-78-4, table 3-1).
An RSA key with the exponent 1 signs for everybody: its private half is not needed.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_LEAST_RSA_BITS = 2048
_LEAST_EXPONENT = 65537
_LEAST_EC_BITS = 256
_BROKEN_DIGESTS = ("md5", "sha1")

CertificateOrRequest = x509.Certificate | x509.CertificateSigningRequest


def key_weakness(certificate: CertificateOrRequest) -> str:
    """What is weak about the public key, in a few words; nothing when it is strong enough."""
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError) as exc:
        return f"a key that is not supported ({exc})"
    match key:
        case rsa.RSAPublicKey():
            return _rsa_weakness(key)
        case ec.EllipticCurvePublicKey():
            is_small = key.key_size < _LEAST_EC_BITS
            return f"a key on a curve of {key.key_size} bits, fewer than {_LEAST_EC_BITS}" if is_small else ""
    return "a key that is neither RSA nor EC"


def _rsa_weakness(key: rsa.RSAPublicKey) -> str:
    exponent = key.public_numbers().e
    if key.key_size < _LEAST_RSA_BITS:
        return f"an RSA key of {key.key_size} bits, fewer than {_LEAST_RSA_BITS}"
    if exponent < _LEAST_EXPONENT or exponent % 2 == 0:
        return f"an RSA key with the exponent {exponent}, not an odd one from {_LEAST_EXPONENT}"
    return ""


def signature_weakness(certificate: x509.Certificate) -> str:
    """What is weak about the signature on a certificate; nothing when it is strong enough."""
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm as exc:
        return f"a signature that is not supported ({exc})"
    return f"signed with {digest.name.upper()}" if digest and digest.name in _BROKEN_DIGESTS else ""
