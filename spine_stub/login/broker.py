"""What the broker does, without a word of HTTP: activate, validate, select, assert, log out."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import CLOCK_SKEW, Clock, Config, RandomBytes
from ..errors import InvalidInput, Refused
from ..people.directory import Directory, Person
from ..sessions import Session, Store, session_key
from ..sessions.endings import Ending, Endings
from ..sessions.tickets import arrived, new_ticket
from . import signed_data, trust
from .challenge import Challenges
from .checks import Check, Checks
from .gpobject import Message, require
from .wire import decode_response

_MODES = ("0", "1")
_REQUIRED = ("uid", "response", "challenge", "signature")


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
    endings: Endings
    clock: Clock
    random: RandomBytes

    def activate(self, message: Message) -> tuple[str, str]:
        """A challenge and the server signature over it, both base64."""
        _check_service(message, "ACTIVATION")
        return self.challenges.issue()

    def validate(self, message: Message, checks: Checks | None = None) -> Login:
        """Grant a session for a signed challenge; raises BrokerError at the first failing check.

        `checks` is told how each of them went.
        """
        checks = checks or Checks()
        with checks(Check.SERVICE):
            _check_service(message, "AUTHENTICATION")
        with checks(Check.PARAMETERS):
            uid, response, challenge, signature = (require(message, name) for name in _REQUIRED)
        with checks(Check.RESPONSE):
            encoded = decode_response(response)
        raw_challenge = self.challenges.accept(challenge, signature, checks)
        certificate = self._check_answer(encoded, raw_challenge, checks)
        person = self._check_person(certificate, uid, checks)
        ticket = new_ticket(self.random)
        with checks(Check.UNUSED):
            self._open_session(ticket, person, raw_challenge)
        return Login(person, ticket)

    def select_role(self, ticket: str, role_id: str, mode: str) -> Session:
        """Choose a role of the person's own for the session, once or again."""
        session, person = self.session(ticket)
        if mode not in _MODES:
            raise InvalidInput("ssb-mode-unknown")
        if person.role(role_id) is None:
            raise Refused("role-not-held", f"uid={person.uid}: not theirs, not yet open, or closed")
        self.store.choose_role(session_key(ticket), role_id, mode)
        return session

    def session(self, ticket: str) -> tuple[Session, Person]:
        """The live session of a ticket and its person; counts as activity."""
        if not ticket:
            raise InvalidInput("missing-ticket")
        session = self.store.use(session_key(ticket))
        person = self.directory.person(session.uid) if session else None
        if session is None or person is None or not person.active:
            raise Refused(arrived(ticket).damage or "ticket-not-valid")
        return session, person.on(self.clock().date())

    def log_out(self, ticket: str) -> bool:
        """End the session; saying so twice is no error. True when there was one to end."""
        if not ticket:
            raise InvalidInput("missing-ticket")
        return self.endings.close(session_key(ticket), Ending.LOGGED_OUT)

    def release(self) -> None:
        """Let go of files and connections, when the broker is not needed any more."""
        self.endings.release()
        self.store.release()
        self.directory.release()

    def _check_answer(self, encoded: bytes, challenge: bytes, checks: Checks) -> signed_data.CardCertificate:
        with checks(Check.CMS):
            signed = signed_data.read(encoded)
        with checks(Check.CONTENT):
            signed_data.check_content(signed, challenge)
        with checks(Check.DIGEST):
            signed_data.check_digest_allowed(signed, self.config.allow_sha1)
        with checks(Check.ALGORITHM):
            kind = signed_data.check_signature_algorithm(signed)
        with checks(Check.ATTRIBUTES):
            signed_data.check_attributes(signed)
        with checks(Check.SIGNATURE):
            signed_data.check_signature(signed, kind)
        with checks(Check.CHAIN):
            path = self.trust.check_chain(signed.certificate, self.clock())
        with checks(Check.STRENGTH):
            trust.check_strength(path)
        with checks(Check.USAGE):
            trust.check_usage(signed.certificate)
        return signed.certificate

    def _check_person(self, certificate: signed_data.CardCertificate, uid: str, checks: Checks) -> Person:
        with checks(Check.UID):
            if certificate.common_names != (uid,):
                raise Refused("uid-not-the-certificates", "uid and the certificate's CN differ")
        with checks(Check.PERSON):
            person = self.directory.person(uid)
            if person is None:
                raise Refused("person-unknown")
            if not person.active:
                raise Refused("person-inactive", f"uid={uid}")
        return person.on(self.clock().date())

    def _open_session(self, ticket: str, person: Person, challenge: bytes) -> None:
        # Last of all, so that a refused answer does not use the challenge up.
        if not self.store.open(session_key(ticket), person.uid, challenge, self.config.challenge_age + CLOCK_SKEW):
            raise Refused("challenge-already-used")


def _check_service(message: Message, expected: str) -> None:
    if message.get("service", expected) != expected:
        raise InvalidInput("wrong-service", f"expected {expected}")
