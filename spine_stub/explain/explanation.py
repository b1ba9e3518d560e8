"""One authvalidate explained: every check, the bytes it was about, the CMS as a tree, the chain.

What passed and what refused comes from the record, as decided then. What is derived here, only when
somebody looks, is what the decision was about.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

from ..errors import BrokerError, InvalidInput
from ..login import signed_data
from ..login.broker import Broker
from ..login.challenge import CHALLENGE_SIZE, issue_time
from ..login.checks import Check, Result
from ..login.wire import b64decode, decode_response
from . import digests
from .certificate_path import Link, draw
from .cms_tree import Node, tree
from .digests import Compared
from .hints import HINTS
from .record import Exchange, SignIn


@dataclass(frozen=True)
class Step:
    """One check: `result` is None when it did not come to it."""

    check: Check
    result: Result | None

    @property
    def state(self) -> str:
        """One word: passed, refused or not-reached."""
        if self.result is None:
            return "not-reached"
        return "passed" if self.result.passed else "refused"


@dataclass(frozen=True)
class Explanation:
    """What there is to say of one authvalidate."""

    steps: tuple[Step, ...]
    hint: str
    compared: tuple[Compared, ...]
    issued: datetime | None
    """When the challenge was made, as far as the client's echo of it can be believed."""
    tree: Node | None
    chain: tuple[Link, ...]

    @property
    def refused(self) -> Step | None:
        return next((step for step in self.steps if step.state == "refused"), None)

    @property
    def problems(self) -> list[str]:
        """What is not as it should be, a sentence each, for terminals and failing tests."""
        lines = []
        if self.refused and self.refused.result:
            lines.append(f"refused by: {self.refused.check.value} ({self.refused.result.reason})")
        lines += [self.hint] if self.hint else []
        for item in self.compared:
            if item.state == "differs":
                received = item.received.hex() if item.received is not None else "not known"
                lines += [f"{item.title}", f"  expected {item.expected.hex()}", f"  received {received}"]
                lines += [f"  {item.note}"] if item.note else []
        lines += [f"{link.subject}: {link.problem}" for link in self.chain if link.problem]
        return lines


def explain(broker: Broker, sign_in: SignIn) -> Explanation | None:
    """Explain the last authvalidate of a sign-in; None when it has none."""
    validation = sign_in.validation
    return explain_exchange(broker, validation, sign_in.activation) if validation else None


def explain_exchange(broker: Broker, validation: Exchange, activation: Exchange | None) -> Explanation:
    """Explain one authvalidate, and compare it with the authactivate before it."""
    results = {result.check: result for result in validation.checks}
    challenge = _base64(validation.message.get("challenge", ""))
    encoded, signed = _cms(validation)
    about_the_path = (results[check] for check in (Check.CHAIN, Check.STRENGTH) if check in results)
    problem = next((result.detail for result in about_the_path if not result.passed), "")
    return Explanation(
        steps=tuple(Step(check, results.get(check)) for check in Check),
        hint=HINTS.get(validation.reason, ""),
        compared=tuple(_compare(challenge, signed, activation)),
        issued=_issue_time(challenge),
        tree=tree(encoded) if encoded else None,
        chain=draw(broker.trust, signed.certificate, validation.time, problem) if signed else (),
    )


def _compare(
    challenge: bytes, signed: signed_data.SignedChallenge | None, activation: Exchange | None
) -> list[Compared]:
    compared = []
    issued = _base64(activation.issued_challenge) if activation else b""
    if issued:
        compared.append(Compared("Challenge: given by authactivate, and echoed", issued, challenge))
    if signed:
        note = "" if signed.content is not None else "the signature is detached: there is no content"
        note = note or _content_note(signed.content or b"", challenge)
        compared.append(Compared("Challenge: echoed, and signed in the CMS", challenge, signed.content, note))
        compared += digests.compare(signed, challenge)
    return compared


def _content_note(content: bytes, challenge: bytes) -> str:
    if content == base64.b64encode(challenge):
        return "the challenge's base64 was signed; decode it first"
    if content.strip() == challenge.strip() and content != challenge:
        return "white space was added or taken away"
    return ""


def _cms(validation: Exchange) -> tuple[bytes, signed_data.SignedChallenge | None]:
    try:
        encoded = decode_response(validation.message.get("response", ""))
    except BrokerError:
        return b"", None
    try:
        return encoded, signed_data.read(encoded)
    except BrokerError:
        return encoded, None


def _issue_time(challenge: bytes) -> datetime | None:
    try:
        return issue_time(challenge) if len(challenge) == CHALLENGE_SIZE else None
    except OverflowError:  # the client's own bytes: beyond the year 9999
        return None


def _base64(text: str) -> bytes:
    try:
        return b64decode(text, "challenge")
    except InvalidInput:
        return b""
