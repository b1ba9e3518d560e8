"""People from an LDAP server that has the shape of the Spine Directory Service (`--directory ldap://...`).

    uid=<uid>,ou=People,o=nhs                                    nhsPerson: cn, nhsPersonStatus (1: active), nhsGMC, ...
      uniqueIdentifier=<...>,uid=...                             nhsOrgPerson: nhsIDCode, o, open and close date
        uniqueIdentifier=<role profile>,uniqueIdentifier=...     nhsOrgPersonRole: nhsJobRole, nhsJobRoleCode, ...

Dates are YYYYMMDD, in nhsOrgOpenDate and nhsOrgCloseDate or in nhsOpenDate and nhsCloseDate: clients
read either. The last day still counts. A role is open while it and the nhsOrgPerson above it are. An
attribute without a value says nothing against it. nhs.schema beside this file has the attributes;
people.ldif has the demonstration people, made from people.toml.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import DataError, Unavailable
from .directory import Person, Role
from .ldif import BASE, PERSONAL, PROFESSIONAL
from .toml import PLAIN, TEXT, UID

try:
    import ldap3
    from ldap3.core.exceptions import LDAPBindError, LDAPException
    from ldap3.core.results import RESULT_NO_SUCH_OBJECT, RESULT_SIZE_LIMIT_EXCEEDED, RESULT_SUCCESS
    from ldap3.utils.conv import escape_filter_chars
except ImportError as exc:
    raise DataError("--directory ldap:// needs ldap3: apt-get install python3-ldap3, or pip install ldap3") from exc

_log = logging.getLogger("spine_stub")

_SECONDS = 5
"""How long the server may take to be connected to, and to answer."""
_ACTIVE = "1"
_JOB = re.compile(r'"([^"]+)":"([^"]+)":"([^"]+)"')
_DATE_SIZE = len("YYYYMMDD")
"""A time may follow."""

_OPEN_DATES = ("nhsOrgOpenDate", "nhsOpenDate")
_CLOSE_DATES = ("nhsOrgCloseDate", "nhsCloseDate")
_CODED = ("nhsBusinessFunctions", "nhsAreaOfWork", "nhsWorkGroups")
"""Names are in the attribute, codes in that of the same name with "Codes" behind it, in the same order."""
_ATTRIBUTES = [
    "objectClass", "uid", "cn", "sn", "nhsPersonStatus", "uniqueIdentifier", "nhsIDCode", "o", "nhsJobRole",
    "nhsJobRoleCode", *_OPEN_DATES, *_CLOSE_DATES, *_CODED, *(f"{name}Codes" for name in _CODED),
    *PERSONAL.values(), *PROFESSIONAL.values(),
]  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One entry: its DN, and its attributes by lower-case name."""

    dn: str
    attributes: Mapping[str, Sequence[str]]

    def is_a(self, object_class: str) -> bool:
        return object_class.casefold() in (name.casefold() for name in self.all("objectClass"))

    def all(self, name: str) -> Sequence[str]:
        return self.attributes.get(name.casefold(), ())

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def days(self, names: Iterable[str]) -> Iterator[date]:
        """The dates in attributes of these names; raises ValueError for what is no date."""
        for name in names:
            yield from (date.fromisoformat(text[:_DATE_SIZE]) for text in self.all(name) if text)


class LdapDirectory:
    """A directory at an LDAP server. One connection, made again when the server has dropped it."""

    def __init__(self, connect: Any, base: str) -> None:
        """`connect` gives a bound ldap3.Connection of strategy SAFE_SYNC."""
        self.problem = ""
        self.base = base
        self._connect = connect
        self._lock = threading.Lock()
        self._connection: Any = None

    @classmethod
    def connect(cls, url: str, user: str = "", password: str = "") -> LdapDirectory:
        """Bind at ldap[s]://HOST[:PORT][/BASE], without a user anonymously; raises DataError."""
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise DataError(f"--directory {url} is not an address: {exc}") from exc
        address = f"{parts.scheme}://{parts.netloc}"
        directory = cls(lambda: _bind(address, user, password), unquote(parts.path.strip("/")) or BASE)
        try:
            directory.people(limit=1)
        except Unavailable as exc:
            directory.release()
            raise DataError(f"the directory {parts.netloc} does not answer: {exc.detail}") from exc
        return directory

    def person(self, uid: str) -> Person | None:
        if not UID.fullmatch(uid):
            return None
        entries = self._search(f"uid={uid},{self.base}", "(objectClass=*)", ldap3.SUBTREE)
        return read_person(entries) if entries else None

    def people(self, search: str = "", limit: int = 100) -> Sequence[Person]:
        """See Directory; looks in uid and cn only."""
        words = escape_filter_chars(search)
        condition = f"(|(uid=*{words}*)(cn=*{words}*))" if words else "(uid=*)"
        found = self._search(self.base, f"(&(objectClass=nhsPerson){condition})", ldap3.LEVEL, limit)
        people = (self.person(entry.first("uid")) for entry in found)
        return sorted((person for person in people if person), key=lambda person: person.uid)

    def release(self) -> None:
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)

    def _search(self, base: str, condition: str, scope: str, limit: int = 0) -> list[Entry]:
        with self._lock:
            try:
                try:
                    entries = self._ask(base, condition, scope, limit)
                except LDAPException:  # perhaps the server has only closed an idle connection
                    self._drop()
                    entries = self._ask(base, condition, scope, limit)
            except LDAPException as exc:
                self._drop()
                self.problem = f"the directory does not answer: {type(exc).__name__}"
                raise Unavailable("directory-unavailable", type(exc).__name__) from exc
            self.problem = ""
            return entries

    def _ask(self, base: str, condition: str, scope: str, limit: int) -> list[Entry]:
        if self._connection is None:
            self._connection = self._connect()
        _, result, response, _ = self._connection.search(
            base, condition, scope, attributes=_ATTRIBUTES, size_limit=limit
        )
        if result["result"] == RESULT_NO_SUCH_OBJECT:
            return []
        if result["result"] not in (RESULT_SUCCESS, RESULT_SIZE_LIMIT_EXCEEDED):
            raise Unavailable("directory-unavailable", str(result["description"]))
        return [_entry(item) for item in response if item["type"] == "searchResEntry"]


def _bind(address: str, user: str, password: str) -> Any:
    """Open a connection and bind; raises LDAPException."""
    # A Server remembers for minutes that it was not there, so each attempt has one of its own.
    server = ldap3.Server(address, connect_timeout=_SECONDS, get_info=ldap3.NONE)
    connection = ldap3.Connection(
        server,
        user or None,
        password or None,
        client_strategy=ldap3.SAFE_SYNC,
        read_only=True,
        receive_timeout=_SECONDS,
    )
    try:
        bound, result, _, _ = connection.bind()
        if not bound:
            raise LDAPBindError(result["description"])
    except LDAPException:
        _close(connection)
        raise
    return connection


def _close(connection: Any) -> None:
    with suppress(LDAPException, OSError):
        socket = connection.socket
        try:
            connection.unbind()
        finally:
            if socket:  # ldap3 leaves it open when the other side has failed
                socket.close()


def read_person(entries: Iterable[Entry]) -> Person | None:
    """Make a person of the entry of one uid and those under it; None when there is no usable one."""
    entries = list(entries)
    person = next((entry for entry in entries if entry.is_a("nhsPerson")), None)
    if person is None:
        return None
    uid, cn = person.first("uid"), person.first("cn")
    if not (UID.fullmatch(uid) and TEXT.fullmatch(cn)):
        _log.warning("the directory's entry %r has no usable uid and cn", person.dn)
        return None
    organisations = [entry for entry in entries if entry.is_a("nhsOrgPerson")]
    roles = [_role(entry, organisations) for entry in entries if entry.is_a("nhsOrgPersonRole")]
    held = sorted((role for role in roles if role), key=lambda role: role.id)
    personal: dict[str, Any] = {field: _text(person, name) for field, name in PERSONAL.items()}
    return Person(
        uid,
        cn,
        tuple(held),
        active=person.first("nhsPersonStatus") in ("", _ACTIVE),
        family_name=_family_name(person),
        professional={name: number for name, found in PROFESSIONAL.items() if (number := _text(person, found))},
        **personal,
    )


def _text(entry: Entry, name: str) -> str:
    value = entry.first(name)
    return value if TEXT.fullmatch(value) else ""


def _family_name(person: Entry) -> str:
    """The sn, which inetOrgPerson demands; nothing where it is just the last word of the cn."""
    name = _text(person, "sn")
    return "" if name == person.first("cn").split()[-1] else name


def _role(entry: Entry, organisations: Sequence[Entry]) -> Role | None:
    above = next((above for above in organisations if entry.dn.casefold().endswith("," + above.dn.casefold())), entry)
    job = _JOB.fullmatch(entry.first("nhsJobRole"))
    role_id = entry.first("uniqueIdentifier")
    org_code = entry.first("nhsIDCode") or above.first("nhsIDCode")
    org_name = entry.first("o") or above.first("o")
    code = entry.first("nhsJobRoleCode")
    texts_usable = job and all(map(TEXT.fullmatch, [org_name, *job.groups()]))
    if not (texts_usable and job and PLAIN.fullmatch(role_id) and PLAIN.fullmatch(org_code or "-")):
        _log.warning("the directory's entry %r is not a usable role", entry.dn)
        return None
    try:
        opened = max([*entry.days(_OPEN_DATES), *above.days(_OPEN_DATES)], default=None)
        closed = min([*entry.days(_CLOSE_DATES), *above.days(_CLOSE_DATES)], default=None)
    except ValueError as exc:
        _log.warning("the directory's entry %r has no usable dates: %s", entry.dn, exc)
        return None
    return Role(
        id=role_id,
        org_code=org_code or None,
        org_name=org_name,
        group=job[1],
        sub_group=job[2],
        name=job[3],
        code=code if PLAIN.fullmatch(code) else "",
        business_functions=_names_by_code(entry, "nhsBusinessFunctions"),
        areas_of_work=_names_by_code(entry, "nhsAreaOfWork"),
        work_groups=_names_by_code(entry, "nhsWorkGroups"),
        opened=opened,
        closed=closed,
    )


def _names_by_code(entry: Entry, name: str) -> dict[str, str]:
    codes, names = entry.all(f"{name}Codes"), entry.all(name)
    usable = [value if TEXT.fullmatch(value) else "" for value in names]
    return dict(zip(codes, [*usable, *codes[len(usable) :]], strict=False))


def _entry(item: Mapping[str, Any]) -> Entry:
    attributes = {
        name.casefold(): tuple(value.decode("utf-8", "replace") for value in values)
        for name, values in item["raw_attributes"].items()
    }
    return Entry(item["dn"], attributes)
