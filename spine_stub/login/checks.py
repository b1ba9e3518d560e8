"""Every check of authvalidate, in its order, and the list of how they went for one request.

The broker runs each check inside `with checks(Check.X):`. So what is shown to a developer is what
was decided, not a second opinion: a check that raised is the one that refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType

from ..errors import BrokerError


class Check(Enum):
    """What authvalidate looks at, in this order; the value says what must hold."""

    MESSAGE = "The request is one gpOBJECT"
    SERVICE = "It asks for AUTHENTICATION"
    PARAMETERS = "uid, response, challenge and signature are there"
    RESPONSE = "The response holds a CMS"
    CHALLENGE_FORM = "The challenge is 48 bytes, its signature base64"
    SERVER_SIGNATURE = "The server signature is the one sent with the challenge"
    CHALLENGE_MAC = "This broker made the challenge"
    CHALLENGE_AGE = "The challenge is fresh"
    CMS = "The CMS is SignedData with one signer and the signer's certificate"
    CONTENT = "The signed content is the challenge"
    DIGEST = "The digest is one that the broker takes"
    ALGORITHM = "The signature algorithm goes with the digest"
    ATTRIBUTES = "Signed attributes, if any, name the content's type and digest"
    SIGNATURE = "The signature was made with the certificate's key"
    CHAIN = "The certificate is of a trusted CA, in its time, and not revoked"
    STRENGTH = "Its key and the signatures above it are strong enough"
    USAGE = "The certificate is for signing in"
    UID = "The uid is the certificate's CN"
    PERSON = "The directory knows the person"
    UNUSED = "The challenge was not used before"


@dataclass(frozen=True)
class Result:
    """How one check went: an empty reason means that it passed."""

    check: Check
    reason: str = ""
    detail: str = ""

    @property
    def passed(self) -> bool:
        return not self.reason


_PASSED = {check: Result(check) for check in Check}


@dataclass
class Checks:
    """The checks of one request, as far as they got. Each is written down when it has been made."""

    results: list[Result] = field(default_factory=list)
    _current: Check = Check.MESSAGE

    def __call__(self, check: Check) -> Checks:
        """`with checks(Check.X):` around what makes the check."""
        self._current = check
        return self

    def __enter__(self) -> None:
        """Begin the check."""

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None) -> None:
        """Note how it went; what was raised goes on."""
        if isinstance(exc, BrokerError):
            self.results.append(Result(self._current, exc.reason, exc.detail))
        elif exc is None:
            self.results.append(_PASSED[self._current])
