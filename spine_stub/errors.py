"""The ways a request can fail, each with the words the real wire uses (docs/protocol.md 5)."""

from __future__ import annotations

from typing import ClassVar


class BrokerError(Exception):
    """A request that is not granted.

    `reason` is one kebab-case name per cause, for the log and the X-Spine-Stub-Reason header;
    `detail` adds figures for the log. Neither ever holds a ticket.
    """

    words: ClassVar[str]

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class InvalidInput(BrokerError):
    """The request is not of the form that the protocol asks for."""

    words = "Invalid input request"


class Refused(BrokerError):
    """The request is well formed, and the broker does not believe it."""

    words = "Failed To Validate"


class Unavailable(BrokerError):
    """What the broker itself depends on, its store, its directory or CIS2's key, does not answer or cannot be used."""

    words = "Service Unavailable"


class DataError(Exception):
    """DIR cannot be used as it is; the text is a sentence for the person who started the broker."""
