"""The registration authority: enters people, issues cards and certificates, revokes them.

What the console and the command line do to people and cards is here. Everything is a file in DIR,
so a broker that is running takes it up at once. Made for tests: keys are made here, not on a card.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from cryptography import x509

from ..config import Clock, RandomBytes, system_clock
from ..errors import DataError
from ..folder import (
    CARDS,
    ISSUED,
    ISSUING,
    ISSUING_KEY,
    PEOPLE,
    REVOCATION_LIST,
    ROOT,
    ROOT_KEY,
    ROOT_REVOCATION_LIST,
    locked,
    write_private,
)
from ..people.directory import Directory, Person, Role
from ..people.toml import People, load_people, parse_people, read_text, with_person, without_person
from . import authority
from .authority import Issuer, read_certificate
from .demo_cards import CardPlan, Slot, write_card
from .revocation import make_revocation_list, reason_named
from .strength import key_weakness

_CARD_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_FIRST_UID = 555000000001
_DAYS = 2 * 365
_MOST_DAYS = 20 * 365
"""As long as the CA."""


@dataclass(frozen=True)
class RegistrationAuthority:
    """Who may sign in at the broker of one DIR, and with which cards. Raises DataError throughout."""

    data: Path
    directory: Directory | None = None
    """Where people are when they are not in DIR/people.toml: then they can only be looked up here."""
    clock: Clock = system_clock
    random: RandomBytes = secrets.token_bytes

    def add_person(self, cn: str, roles: Iterable[Role | Sequence[str]] = (), uid: str = "") -> Person:
        """Enter a new person, each role whole or as with_role's fields; without a uid the next free one is taken."""

        def new(people: People) -> Person:
            if uid in people:
                raise DataError(f"there is a person with the uid {uid} already: {people[uid].cn}")
            person = Person(uid or _next_uid(people), cn, ())
            for role in roles:
                if isinstance(role, Role):
                    person = replace(person, roles=(*person.roles, role))
                else:
                    person = with_role(person, *role)
            return person

        return self._change(new)

    def edit_person(self, person: Person) -> None:
        """Put a person's name, roles and status in the place of those known for the uid."""

        def edited(people: People) -> Person:
            _known(people.get, person.uid)
            return person

        self._change(edited)

    def remove_person(self, uid: str) -> None:
        """Forget a person; certificates stay as they are."""
        self._change(lambda people: _known(people.get, uid), lambda text, person: without_person(text, person.uid))

    def revoke_person(self, uid: str, reason: str = "") -> int:
        """Make a person inactive and revoke all their certificates; returns how many."""
        reason_named(reason)
        if self.directory is None:
            self._change(lambda people: replace(_known(people.get, uid), active=False))
        return self._revoke([certificate for _, certificate in self._issued() if uid_of(certificate) == uid], reason)

    def issue_card(self, uid: str, card: str = "", days: int = _DAYS) -> Path:
        """Make a card folder for a person, with new keys and certificates; returns the folder."""
        person = self.person(uid)
        cards = self.data / CARDS
        with self._changing(cards):
            name = card or _free_name(cards, person.cn)
            if not _CARD_NAME.fullmatch(name):
                raise DataError(f"{name!r} cannot be a card's name: lower-case letters, digits and hyphens only")
            if (cards / name).exists():
                raise DataError(f"there is a card {name} already")
            keys: dict[Slot, authority.PrivateKey] = {slot: authority.ec_key() for slot in Slot}
            keys[Slot.AUTHENTICATION] = authority.rsa_key()
            self._write_card(_plan(name, uid, days), keys)
        return cards / name

    def issue_certificate(self, uid: str, request: bytes, days: int = _DAYS) -> bytes:
        """Issue a 9A certificate for the key of a PKCS#10 request, PEM or DER; returns PEM.

        The subject is the person's, whatever the request says.
        """
        self.person(uid)
        key = _requested_key(request)
        validity = _plan("", uid, days).validity(self._now())
        extensions = Slot.AUTHENTICATION.extensions
        certificate = self._issuer().issue(authority.name("people", uid), key, validity, extensions)
        pem = authority.certificate_pem(certificate)
        folder = self.data / ISSUED
        with self._changing(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            write_private(folder / f"{certificate.serial_number:x}.cert.pem", pem)
        return pem

    def revoke_card(self, card: str, reason: str = "") -> int:
        """Revoke the certificates of a card, for one of REASONS; returns how many were not revoked before."""
        folder = self.data / CARDS / card
        if not _CARD_NAME.fullmatch(card) or not folder.is_dir():
            raise DataError(f"there is no card {card}")
        return self._revoke([certificate for path, certificate in self._issued() if path.parent == folder], reason)

    def revoke_authority(self, reason: str = "") -> None:
        """Revoke the issuing CA itself: no card of it is trusted any more."""
        self._list_authorities([self._issuer().certificate], reason)

    def restore_authority(self) -> None:
        """Take that back, as only a test bed can."""
        self._list_authorities([])

    @property
    def is_authority_revoked(self) -> bool:
        """Whether the root lists an authority; not where there is no list that can be read."""
        try:
            return len(x509.load_pem_x509_crl((self.data / ROOT_REVOCATION_LIST).read_bytes())) > 0
        except (OSError, ValueError):
            return False

    def is_revoked(self, card: str) -> bool:
        """Whether a certificate of the card is on the list."""
        path = self.data / REVOCATION_LIST
        with self._changing(path):
            known = x509.load_pem_x509_crl(path.read_bytes())
        serials = (certificate.serial_number for each, certificate in self._issued() if each.parent.name == card)
        return any(known.get_revoked_certificate_by_serial_number(serial) for serial in serials)

    def cards_of(self, uid: str) -> list[str]:
        return sorted({path.parent.name for path, certificate in self._issued() if uid_of(certificate) == uid})

    def person(self, uid: str) -> Person:
        find = self.directory.person if self.directory else load_people(self.data / PEOPLE).get
        return _known(find, uid)

    def _issuer(self, certificate: Path = ISSUING, key: Path = ISSUING_KEY) -> Issuer:
        try:
            return Issuer.load(self.data / certificate, self.data / key)
        except (OSError, ValueError) as exc:
            raise DataError(f"{self.data} has no CA to issue with: {exc}") from exc

    def _issued(self) -> Iterator[tuple[Path, x509.Certificate]]:
        for folder in (self.data / CARDS, self.data / ISSUED.parent):
            for path in sorted(folder.glob("*/*.cert.pem")):
                try:
                    yield path, read_certificate(path.read_bytes())
                except (OSError, ValueError) as exc:
                    raise DataError(f"{path} is not a certificate: {exc}") from exc

    def _revoke(self, certificates: list[x509.Certificate], reason: str) -> int:
        code, path = reason_named(reason), self.data / REVOCATION_LIST
        with self._changing(path):
            known = x509.load_pem_x509_crl(path.read_bytes())
            fresh = [c for c in certificates if known.get_revoked_certificate_by_serial_number(c.serial_number) is None]
            if fresh:
                revocations = make_revocation_list(self._issuer(), fresh, self._now(), known, code)
                write_private(path, authority.certificate_pem(revocations))
        return len(fresh)

    def _list_authorities(self, revoked: list[x509.Certificate], reason: str = "") -> None:
        code, path = reason_named(reason), self.data / ROOT_REVOCATION_LIST
        with self._changing(path):
            revocations = make_revocation_list(self._issuer(ROOT, ROOT_KEY), revoked, self._now(), reason=code)
            write_private(path, authority.certificate_pem(revocations))

    def _change(self, whom: Callable[[People], Person], how: Callable[[str, Person], str] = with_person) -> Person:
        """Let `how` change the text of people.toml about somebody; returns the person."""
        if self.directory is not None:
            raise DataError("the people are in an LDAP directory: change them there")
        path = self.data / PEOPLE
        with self._changing(path):
            text = read_text(path)
            person = whom(parse_people(text))
            try:
                changed = how(text, person)
            except ValueError as exc:  # what cannot be written to the file cannot be sent to a client either
                raise DataError(str(exc)) from exc
            write_private(path, changed.encode())
        return person

    @contextmanager
    def _changing(self, path: Path) -> Iterator[None]:
        """Let nobody else change DIR meanwhile; what goes wrong with `path` becomes a DataError."""
        try:
            with locked(self.data):
                yield
        except OSError as exc:
            raise DataError(f"{path} cannot be changed: {exc.strerror}") from exc
        except ValueError as exc:
            raise DataError(f"{path}: {exc}") from exc

    def _write_card(self, plan: CardPlan, keys: dict[Slot, authority.PrivateKey]) -> None:
        folder = self.data / CARDS / plan.name
        try:
            write_card(folder, plan, keys, self._issuer(), self._now(), self.random)
        except BaseException:  # half a card is none
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _now(self) -> datetime:
        return self.clock().replace(microsecond=0)


def uid_of(certificate: x509.Certificate) -> str:
    """The common name, which is the person's uid."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def with_role(person: Person, *fields: str) -> Person:
    """The person with one role more, of org code, org name, group, sub-group, name and, if there is one, code.

    Its id is made like those of the demonstration people: 5551, the end of the uid, the next free number.
    """
    org_code, org_name, group, sub_group, name, *code = (field.strip() for field in fields)
    ids = (f"5551{person.uid[-6:]}{number:02d}" for number in count(1))
    role_id = next(role_id for role_id in ids if not person.role(role_id))
    role = Role(role_id, org_code or None, org_name, group, sub_group, name, "".join(code))
    return replace(person, roles=(*person.roles, role))


def _plan(card: str, uid: str, days: int) -> CardPlan:
    if abs(days) > _MOST_DAYS:
        raise DataError(f"{days} days: a certificate holds for at most {_MOST_DAYS}")
    return CardPlan(card, uid, days_left=days)


def _known(find: Callable[[str], Person | None], uid: str) -> Person:
    person = find(uid)
    if person is None:
        raise DataError(f"nobody has the uid {uid}")
    return person


def _next_uid(known: Container[str]) -> str:
    return next(uid for uid in map(str, count(_FIRST_UID)) if uid not in known)


def _free_name(cards: Path, cn: str) -> str:
    plain = "-".join(re.findall(r"[a-z0-9]+", cn.lower()))[:40] or "card"
    names = chain([plain], (f"{plain}-{number}" for number in count(2)))
    return next(name for name in names if not (cards / name).exists())


def _requested_key(request: bytes) -> authority.PublicKey:
    is_pem = request.lstrip().startswith(b"-----")
    load = x509.load_pem_x509_csr if is_pem else x509.load_der_x509_csr
    try:
        csr = load(request)
    except (ValueError, TypeError) as exc:
        raise DataError(f"not a certificate request (PKCS#10): {exc}") from exc
    weak = key_weakness(csr)
    if weak:
        raise DataError(f"the request cannot be granted: it is for {weak}")
    if not csr.is_signature_valid:
        raise DataError("the request is not signed with the key that it asks a certificate for")
    key = csr.public_key()
    assert isinstance(key, authority.PublicKey)  # noqa: S101 - any other has a weakness
    return key
