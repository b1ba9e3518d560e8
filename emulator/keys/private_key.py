"""Private-key operations as a PIV card does them, by OpenSSL's libcrypto.

GENERAL AUTHENTICATE hands an RSA key a block that the client has already padded, and an ECC key
a hash of any length (SP 800-73-4 Part 2, section 3.2.4 and appendix A). Python's cryptography
offers neither, so this module calls EVP_PKEY_sign itself. Nothing else here calls libcrypto.
"""

from __future__ import annotations

import ctypes
import functools
import re
import weakref
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_void_p
from enum import StrEnum
from typing import Any, TypeVar

from asn1crypto import keys, pem

from ..identifiers import Algorithm, Origin, PasscodePolicy

T = TypeVar("T", bound=StrEnum)

_LIBRARY = "libcrypto.so.3"
_CURVE_ALGORITHMS = {"secp256r1": Algorithm.ECC_P256, "secp384r1": Algorithm.ECC_P384}


class PrivateKeyError(Exception):
    """The key cannot be read, or cannot be applied to this input."""


class PrivateKey:
    """A private key that stays loaded in libcrypto until the object goes."""

    def __init__(self, der: bytes, origin: Origin = Origin.IMPORTED, policy: PasscodePolicy | None = None) -> None:
        """Load an unencrypted PKCS#8 PrivateKeyInfo; raise PrivateKeyError."""
        self.der = der
        self.origin = origin
        self.policy = policy
        """When it wants the passcode, if not as its place on the card says."""
        self.algorithm = _algorithm_of(der)
        self._is_rsa = self.algorithm.name.startswith("RSA")
        crypto = _libcrypto()
        source = c_char_p(der)
        self._handle = crypto.d2i_AutoPrivateKey(None, byref(source), len(der))
        if not self._handle:
            raise PrivateKeyError("libcrypto cannot read this private key")
        weakref.finalize(self, crypto.EVP_PKEY_free, self._handle)
        self.size = int(crypto.EVP_PKEY_get_size(self._handle))

    @classmethod
    def from_pem(cls, text: bytes) -> PrivateKey:
        """Load an unencrypted PKCS#8 key in PEM ("BEGIN PRIVATE KEY")."""
        try:
            kind, _, der = pem.unarmor(text)
        except ValueError:
            raise PrivateKeyError("not a PEM file") from None
        if kind != "PRIVATE KEY":
            raise PrivateKeyError(f'holds a "{kind}"; an unencrypted PKCS#8 key is needed')
        return cls(
            bytes(der), _said(text, "origin", Origin) or Origin.IMPORTED, _said(text, "passcode", PasscodePolicy)
        )

    def to_pem(self) -> bytes:
        """Return the key as from_pem() reads it, with what is known about it (RFC 7468, 5.2)."""
        said = f"origin: {self.origin}\n" + (f"passcode: {self.policy}\n" if self.policy else "")
        return said.encode() + bytes(pem.armor("PRIVATE KEY", self.der))

    def apply(self, block: bytes) -> bytes:
        """RSA: the raw private operation on a block as long as the modulus; ECC: sign a hash.

        Returns the block (RSA) or a DER ECDSA-Sig-Value (ECC). Raises PrivateKeyError when the
        block has the wrong length or is not smaller than the modulus.
        """
        if not block or (self._is_rsa and len(block) != self.size):
            raise PrivateKeyError("input has the wrong length for this key")
        crypto = _libcrypto()
        context = crypto.EVP_PKEY_CTX_new(self._handle, None)
        try:
            return self._sign(crypto, context, block)
        finally:
            crypto.EVP_PKEY_CTX_free(context)

    def _sign(self, crypto: Any, context: int | None, block: bytes) -> bytes:
        signature = ctypes.create_string_buffer(self.size)
        length = c_size_t(self.size)
        done = (
            context
            and crypto.EVP_PKEY_sign_init(context) == 1
            and (not self._is_rsa or crypto.EVP_PKEY_CTX_ctrl_str(context, b"rsa_padding_mode", b"none") == 1)
            and crypto.EVP_PKEY_sign(context, signature, byref(length), block, len(block)) == 1
        )
        if not done:
            crypto.ERR_clear_error()
            raise PrivateKeyError("libcrypto refused the private-key operation")
        return signature.raw[: length.value]


def _said(text: bytes, name: str, allowed: type[T]) -> T | None:
    """Return what a line before the key says."""
    values = "|".join(allowed)
    found = re.search(rf"^{name}: ({values})\r?$".encode(), text.partition(b"-----BEGIN")[0], re.MULTILINE)
    return allowed(found[1].decode()) if found else None


def _algorithm_of(der: bytes) -> Algorithm:
    try:
        key = keys.PrivateKeyInfo.load(der, strict=True)
        if key.algorithm == "rsa":
            return Algorithm[f"RSA_{key.bit_size}"]
        if key.algorithm == "ec":
            return _CURVE_ALGORITHMS[key.curve[1]]
    except KeyError:
        raise PrivateKeyError("no PIV algorithm has a key of this size or curve") from None
    except (ValueError, TypeError):
        raise PrivateKeyError("not a PKCS#8 private key") from None
    raise PrivateKeyError(f"a {key.algorithm} key is not one for a PIV card")


@functools.cache
def _libcrypto() -> Any:
    """Load libcrypto of OpenSSL 3 once and declare the functions used here."""
    try:
        crypto = ctypes.CDLL(_LIBRARY)
    except OSError:
        raise PrivateKeyError(f"OpenSSL 3 is not installed: there is no {_LIBRARY}") from None
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "d2i_AutoPrivateKey": (c_void_p, [c_void_p, POINTER(c_char_p), c_long]),
        "EVP_PKEY_get_size": (c_int, [c_void_p]),
        "EVP_PKEY_free": (None, [c_void_p]),
        "EVP_PKEY_CTX_new": (c_void_p, [c_void_p, c_void_p]),
        "EVP_PKEY_CTX_free": (None, [c_void_p]),
        "EVP_PKEY_sign_init": (c_int, [c_void_p]),
        "EVP_PKEY_CTX_ctrl_str": (c_int, [c_void_p, c_char_p, c_char_p]),
        "EVP_PKEY_sign": (c_int, [c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t]),
        "ERR_clear_error": (None, []),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(crypto, name)
        function.restype, function.argtypes = result, arguments
    return crypto
