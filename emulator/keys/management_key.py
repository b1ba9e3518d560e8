"""The management key 9B: a symmetric key that proves who may write to the card.

SP 800-73-4 Part 2, sections A.1 and A.2; algorithms: SP 800-78-4, table 6-2. One block, in ECB mode,
is all that is ever encrypted: a random number that nobody has chosen.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from ..identifiers import Algorithm

try:  # from cryptography 43 on
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES


KEY_BYTES = {Algorithm.TDES: 24, Algorithm.AES_128: 16, Algorithm.AES_192: 24, Algorithm.AES_256: 32}
"""The algorithms that a management key can have, with its length."""

DEFAULT_VALUE = bytes.fromhex("010203040506070801020304050607080102030405060708")
"""What blank cards and their tools agree on, for 3DES and for AES-192."""


@dataclass(frozen=True)
class ManagementKey:
    """A key with its algorithm; the value is as long as the algorithm says."""

    algorithm: Algorithm = Algorithm.TDES
    value: bytes = field(default=DEFAULT_VALUE, repr=False)

    @property
    def block_bytes(self) -> int:
        """How long challenges and witnesses are."""
        return 8 if self.algorithm == Algorithm.TDES else 16

    def is_for(self, algorithm: Algorithm) -> bool:
        """Whether P1 names this key's algorithm; 3DES has two names (SP 800-78-4, table 6-2)."""
        return algorithm == self.algorithm or (algorithm, self.algorithm) == (Algorithm.TDES_DEFAULT, Algorithm.TDES)

    def encrypt(self, block: bytes) -> bytes:
        """Return one block encrypted; the block's length is `block_bytes`."""
        cipher = TripleDES(self.value) if self.algorithm == Algorithm.TDES else AES(self.value)
        encryptor = Cipher(cipher, modes.ECB()).encryptor()  # noqa: S305 - the standard's, for one random block
        return encryptor.update(block) + encryptor.finalize()

    def proves(self, response: bytes, challenge: bytes) -> bool:
        """Whether `response` is the challenge encrypted with this key."""
        return hmac.compare_digest(response, self.encrypt(challenge))
