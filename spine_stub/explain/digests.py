"""The digest that an answer should hold and the one it does hold, and where the latter may come from."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import algos
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..login.signed_data import SignedChallenge

_ALGORITHMS = ("sha1", "sha256", "sha384", "sha512", "md5")


@dataclass(frozen=True)
class Compared:
    """Bytes that should be there beside those that are; None when they cannot be known."""

    title: str
    expected: bytes
    received: bytes | None
    note: str = ""
    can_be_seen: bool = True
    """False where not even the right bytes could be seen."""

    @property
    def state(self) -> str:
        """One word: same, differs or unknown."""
        if not self.can_be_seen:
            return "unknown"
        return "same" if self.expected == self.received else "differs"


def compare(signed: SignedChallenge, challenge: bytes) -> Iterator[Compared]:
    """Compare the digests of a SignedData, in the attributes and inside the signature."""
    if signed.digest not in _ALGORITHMS:
        return
    content = signed.content or b""
    if signed.attributes:
        found = signed.attributes.message_digests[0] if signed.attributes.message_digests else None
        expected = digest(signed.digest, content)
        note = "no message-digest attribute" if found is None else origin(found, expected, challenge)
        yield Compared(f"{signed.digest} of the content, in the signed attributes", expected, found, note)
    covered = signed.attributes.encoded if signed.attributes else content
    yield _in_signature(signed, digest(signed.digest, covered), challenge)


def _in_signature(signed: SignedChallenge, expected: bytes, challenge: bytes) -> Compared:
    what = "signed attributes" if signed.attributes else "content"
    title = f"{signed.digest} of the {what}, inside the signature"
    try:
        key = load_der_public_key(signed.certificate.public_key)
    except (ValueError, UnsupportedAlgorithm):
        return Compared(title, expected, None, "the certificate's public key cannot be used")
    if not isinstance(key, rsa.RSAPublicKey):
        return Compared(title, expected, None, "an ECDSA signature does not show the digest it was made of", False)
    try:
        info = algos.DigestInfo.load(
            key.recover_data_from_signature(signed.signature, padding.PKCS1v15(), None), strict=True
        )
        name, found = info["digest_algorithm"]["algorithm"].native, info["digest"].native
    except (InvalidSignature, ValueError, TypeError, KeyError):
        return Compared(title, expected, None, "the certificate's key does not open it: it was made with another key")
    if name != signed.digest:
        return Compared(title, expected, found, f"it is a {name}, and the SignerInfo says {signed.digest}")
    return Compared(title, expected, found, origin(found, expected, challenge))


def origin(found: bytes, expected: bytes, challenge: bytes) -> str:
    """Guess which bytes a wrong digest was made of; nothing when it is right or cannot be guessed."""
    if found == expected:
        return ""
    for what, content in _mistakes(challenge):
        for name in _ALGORITHMS:
            if digest(name, content) == found:
                return f"it is the {name} of {what}"
    return ""


def digest(name: str, content: bytes) -> bytes:
    """Digest some bytes, with an old algorithm too: nothing is protected here."""
    return hashlib.new(name, content, usedforsecurity=False).digest()


def _mistakes(challenge: bytes) -> Iterator[tuple[str, bytes]]:
    text = base64.b64encode(challenge)
    yield "the challenge", challenge
    yield "the challenge's base64, not of its bytes", text
    yield "the challenge's base64 with a line end", text + b"\n"
    yield "the challenge in hexadecimal", challenge.hex().encode()
    yield "the challenge with a line end", challenge + b"\n"
    yield "nothing at all", b""
    for name in _ALGORITHMS:
        yield f"the {name} of the challenge: it was digested twice", digest(name, challenge)
