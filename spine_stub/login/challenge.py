"""The broker's challenge: 48 bytes that prove their own age, so that no state is kept for them.

Layout as captured on the real wire (docs/protocol.md 3): 20 random bytes, the time of issue in
milliseconds since 1970 as 8 big-endian bytes, and 20 bytes that have the size of an HMAC-SHA1.
With it travels a server signature over the 48 bytes; the client echoes both. Nobody but the broker
looks at that signature, so ours is a MAC too, of another kind.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..config import CLOCK_SKEW, Clock, RandomBytes
from ..errors import InvalidInput, Refused
from .checks import Check, Checks
from .wire import b64decode, b64encode

RANDOM_SIZE = 20
TIME_SIZE = 8
MAC_SIZE = 20
CHALLENGE_SIZE = RANDOM_SIZE + TIME_SIZE + MAC_SIZE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Challenges:
    """Makes challenges and recognises its own again: those of all brokers with the same secret."""

    secret: bytes
    max_age: timedelta
    clock: Clock
    random: RandomBytes

    def issue(self) -> tuple[str, str]:
        """A fresh challenge and the server signature over it, both base64."""
        now = (self.clock() - _EPOCH) // _MILLISECOND
        body = self.random(RANDOM_SIZE) + now.to_bytes(TIME_SIZE, "big")
        challenge = body + self._mac(body)
        return b64encode(challenge), b64encode(self._sign(challenge))

    def accept(self, challenge: str, signature: str, checks: Checks | None = None) -> bytes:
        """The 48 bytes of an echoed challenge that is ours and fresh; raises BrokerError."""
        checks = checks or Checks()
        with checks(Check.CHALLENGE_FORM):
            raw, raw_signature = decode_challenge(challenge), b64decode(signature, "signature")
        with checks(Check.SERVER_SIGNATURE):
            if not hmac.compare_digest(self._sign(raw), raw_signature):
                raise Refused("server-signature-wrong", "not the one sent with the challenge")
        with checks(Check.CHALLENGE_MAC):
            if not hmac.compare_digest(self._mac(raw[:-MAC_SIZE]), raw[-MAC_SIZE:]):
                raise Refused("challenge-mac-wrong", "not a challenge of this broker")
        with checks(Check.CHALLENGE_AGE):
            self._check_age(raw)
        return raw

    def _check_age(self, challenge: bytes) -> None:
        """Refuse a challenge that is older than the limit, or not yet issued."""
        age = self.clock() - issue_time(challenge)
        if age > self.max_age:
            limit = self.max_age.total_seconds()
            raise Refused("challenge-expired", f"{age.total_seconds():.0f} s old, limit {limit:.0f} s")
        if age < -CLOCK_SKEW:
            raise Refused("challenge-from-the-future", f"{-age.total_seconds():.0f} s ahead")

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, body, "sha1")

    def _sign(self, challenge: bytes) -> bytes:
        return hmac.digest(self.secret, b"server signature" + challenge, "sha256")


def decode_challenge(text: str) -> bytes:
    """Decode the `challenge` parameter to its 48 bytes; raises InvalidInput."""
    raw = b64decode(text, "challenge")
    if len(raw) != CHALLENGE_SIZE:
        raise InvalidInput("challenge-wrong-length", f"{len(raw)} bytes, not {CHALLENGE_SIZE}")
    return raw


def issue_time(challenge: bytes) -> datetime:
    """Read from a challenge, once its MAC is known to be right, when it was issued."""
    milliseconds = int.from_bytes(challenge[RANDOM_SIZE : RANDOM_SIZE + TIME_SIZE], "big")
    return _EPOCH + milliseconds * _MILLISECOND
