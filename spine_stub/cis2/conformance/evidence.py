"""What was seen of an application, and what it says of one rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ...errors import DataError

_LONGEST = 2000


class Outcome(Enum):
    """What is known of a rule."""

    FAILED = "fail"
    PASSED = "pass"
    NOT_OBSERVED = "not-observed"


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen."""

    outcome: Outcome
    sent: str
    """What was sent, by the application or to it."""
    did: str
    """What the application did, and what is right or wrong about that; or why nothing could be seen."""
    probe: str = ""
    """The fault that the application was sent; nothing for what it did by itself."""
    sign_in: str = ""

    @classmethod
    def of(cls, wrong: str, sent: str, right: str, sign_in: str = "") -> Evidence:
        """A failure if `wrong` says what is wrong, else a pass."""
        return cls(Outcome.FAILED if wrong else Outcome.PASSED, sent, wrong or right, sign_in=sign_in)

    @classmethod
    def read(cls, fields: Any) -> Evidence:
        """From what `as_json` gave; raises DataError."""
        try:
            texts = {name: fields[name] for name in ("sent", "did", "probe", "sign_in")}
            outcome = Outcome(fields["outcome"])
        except (KeyError, TypeError, ValueError) as exc:
            raise DataError(f"this is no evidence: {exc}") from exc
        if not all(isinstance(text, str) and len(text) <= _LONGEST for text in texts.values()):
            raise DataError("a field of the evidence is not a short text")
        return cls(outcome, **texts)

    def as_json(self) -> Mapping[str, str]:
        return {
            "outcome": self.outcome.value,
            "sent": self.sent,
            "did": self.did,
            "probe": self.probe,
            "sign_in": self.sign_in,
        }
