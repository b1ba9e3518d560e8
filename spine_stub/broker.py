"""What the broker does, without a word of HTTP: activate, validate, select, assert, log out."""

from __future__ import annotations

from dataclasses import dataclass

from . import signed_data, trust
from .challenge import CLOCK_SKEW, Challenges
from .config import Clock, Config, RandomBytes
from .errors import InvalidInput, Refused
from .gpobject import Message, require
from .people import Directory, Person
from .response import decode_response
from .sessions import Session, Store, new_ticket, session_key

_MODES = ("0", "1")


@dataclass(frozen=True)
class Login:
    """A granted authvalidate."""

    person: Person
    ticket: str

    def __repr__(self) -> str:
        return f"Login(uid={self.person.uid!r})"


@dataclass(frozen=True)
class Broker:
    """The broker put together: what it knows, and what it can be asked."""

    config: Config
    challenges: Challenges
    trust: trust.Trust
    directory: Directory
    store: Store
    clock: Clock
    random: RandomBytes

    def activate(self, message: Message) -> tuple[str, str]:
        """A challenge and the server signature over it, both base64."""
        _check_service(message, "ACTIVATION")
        return self.challenges.issue()

    def validate(self, message: Message) -> Login:
        """Grant a session for a signed challenge; raises BrokerError at the first failing check."""
        _check_service(message, "AUTHENTICATION")
        uid = require(message, "uid")
        encoded = decode_response(require(message, "response"))
        challenge = self.challenges.accept(require(message, "challenge"), require(message, "signature"))
        certificate = self._check_answer(encoded, challenge)
        person = self._check_person(certificate, uid)
        self._check_unused(challenge)
        ticket = new_ticket(self.random)
        self.store.open(session_key(ticket), person.uid)
        return Login(person, ticket)

    def select_role(self, ticket: str, role_id: str, mode: str) -> Session:
        """Choose a role of the person's own for the session, once or again."""
        session, person = self.session(ticket)
        if mode not in _MODES:
            raise InvalidInput("ssb-mode-unknown")
        if person.role(role_id) is None:
            raise Refused("role-not-held", f"uid={person.uid}")
        self.store.choose_role(session_key(ticket), role_id, mode)
        return session

    def session(self, ticket: str) -> tuple[Session, Person]:
        """The live session of a ticket and its person; counts as activity."""
        if not ticket:
            raise InvalidInput("missing-ticket")
        session = self.store.use(session_key(ticket))
        person = self.directory.person(session.uid) if session else None
        if session is None or person is None:
            raise Refused("ticket-not-valid", "unknown, logged out, or its time is up")
        return session, person

    def log_out(self, ticket: str) -> bool:
        """End the session; saying so twice is no error. True when there was one to end."""
        if not ticket:
            raise InvalidInput("missing-ticket")
        return self.store.close(session_key(ticket))

    def _check_answer(self, encoded: bytes, challenge: bytes) -> signed_data.CardCertificate:
        signed = signed_data.read(encoded)
        signed_data.check_content(signed, challenge)
        signed_data.check_digest_allowed(signed, self.config.allow_sha1)
        kind = signed_data.check_signature_algorithm(signed)
        signed_data.check_attributes(signed)
        signed_data.check_signature(signed, kind)
        self.trust.check_chain(signed.certificate, self.clock())
        trust.check_usage(signed.certificate)
        return signed.certificate

    def _check_person(self, certificate: signed_data.CardCertificate, uid: str) -> Person:
        if certificate.common_names != (uid,):
            raise Refused("uid-not-the-certificates", "uid and the certificate's CN differ")
        person = self.directory.person(uid)
        if person is None:
            raise Refused("person-unknown")
        return person

    def _check_unused(self, challenge: bytes) -> None:
        # Last of all, so that a refused answer does not use the challenge up.
        if not self.store.claim_challenge(challenge, self.config.challenge_age + CLOCK_SKEW):
            raise Refused("challenge-already-used")


def _check_service(message: Message, expected: str) -> None:
    if message.get("service", expected) != expected:
        raise InvalidInput("wrong-service", f"expected {expected}")
