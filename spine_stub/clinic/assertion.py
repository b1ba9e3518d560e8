"""Asks the broker whose a ticket is: the role assertion, a SAML 1.1 response (docs/protocol.md, section 6)."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ..config import CLOCK_SKEW, Clock

_SAMLP = "{urn:oasis:names:tc:SAML:1.0:protocol}"
_SAML = "{urn:oasis:names:tc:SAML:1.0:assertion}"
_FIRST_OF_ROLE = "nhsIdCode"
_OF_ROLE = ("nhsIdCode", "o", "nhsJobRole", "nhsJobRoleCode", "uniqueIdentifier", "nhsBusinessFunctions")
_MOST_BYTES = 1024 * 1024
_SECONDS = 10.0

Attribute = tuple[str, list[str]]


class NotSignedIn(Exception):
    """The broker knows no live session with this ticket."""


class BrokerAway(Exception):
    """The broker cannot be reached, is not the one that is trusted, or says what cannot be understood."""


@dataclass(frozen=True)
class Role:
    """What somebody works as, and where; `activities` are names of business functions."""

    id: str
    organisation: str
    organisation_code: str
    job: str
    """The job role's own name, the last of the three that the broker gives."""
    code: str
    """Such as S8000:G8000:R8001; the part that begins with R names the job role."""
    activities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holder:
    """Whose a ticket is; `role` is the one that was chosen for the session, None when none was."""

    uid: str
    name: str
    role: Role | None
    roles: tuple[Role, ...] = ()


class Broker(Protocol):
    """What the application needs of the broker."""

    def holder(self, ticket: str) -> Holder:
        """Return whose the ticket is; raises NotSignedIn and BrokerAway."""


class HttpsBroker:
    """A broker at an address; TLS is verified against one CA file, except where the address is plain http."""

    def __init__(self, url: str, ca_file: Path, clock: Clock) -> None:
        self._address, self._clock = urlsplit(url), clock
        self._trust = ssl.create_default_context(cafile=str(ca_file))

    def holder(self, ticket: str) -> Holder:
        """Return whose the ticket is; raises NotSignedIn and BrokerAway."""
        try:
            target = f"{self._address.path}/saml/RoleAssertion?token={quote(ticket, safe='')}"
        except UnicodeEncodeError:
            raise NotSignedIn from None
        with closing(self._connection()) as connection:
            try:
                connection.request("GET", target)
                reply = connection.getresponse()
                body = reply.read(_MOST_BYTES)
            except (OSError, http.client.HTTPException) as exc:
                raise BrokerAway(type(exc).__name__) from exc
        if reply.status != HTTPStatus.OK:
            raise BrokerAway(f"HTTP status {reply.status}")
        return read(body, self._clock())

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=self._trust)


def read(body: bytes, now: datetime) -> Holder:
    """Read a SAML response; raises NotSignedIn when it is no success, and BrokerAway when it cannot be believed."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as exc:
        raise BrokerAway("its answer is not XML") from exc
    code = root.find(f"{_SAMLP}Status/{_SAMLP}StatusCode")
    if root.tag != f"{_SAMLP}Response" or code is None:
        raise BrokerAway("its answer is not a SAML response")
    if code.get("Value", "").rpartition(":")[2] != "Success":
        raise NotSignedIn
    assertion = root.find(f"{_SAML}Assertion")
    if assertion is None:
        raise BrokerAway("a success without an assertion")
    _check_time(assertion.find(f"{_SAML}Conditions"), now)
    return _holder(assertion)


def _check_time(conditions: Element | None, now: datetime) -> None:
    try:
        limits = () if conditions is None else (conditions.get("NotBefore", ""), conditions.get("NotOnOrAfter", ""))
        start, end = map(datetime.fromisoformat, limits)
        is_now = start - CLOCK_SKEW <= now < end + CLOCK_SKEW
    except (ValueError, TypeError) as exc:
        raise BrokerAway("an assertion without its time") from exc
    if not is_now:
        raise BrokerAway("an assertion of another time: is this PC's clock right?")


def _holder(assertion: Element) -> Holder:
    attributes = list(_attributes(assertion))
    single = {name: values[0] for name, values in attributes if values}
    subject = assertion.findtext(f"{_SAML}AttributeStatement/{_SAML}Subject/{_SAML}NameIdentifier", "")
    uid = single.get("uid", "")
    if not uid or f"uid={uid}," not in subject:
        raise BrokerAway("an assertion whose subject and uid differ")
    roles = tuple(map(_role, _blocks(attributes)))
    chosen = single.get("ssbSessionRoleUid")
    role = next((role for role in roles if chosen and role.id == chosen), None)
    return Holder(uid, single.get("cn", ""), role, roles)


def _attributes(assertion: Element) -> Iterator[Attribute]:
    for attribute in assertion.iterfind(f"{_SAML}AttributeStatement/{_SAML}Attribute"):
        values = [(value.text or "").strip() for value in attribute.iterfind(f"{_SAML}AttributeValue")]
        yield attribute.get("AttributeName", ""), values


def _blocks(attributes: Iterable[Attribute]) -> Iterator[Mapping[str, list[str]]]:
    """Part the attributes into roles: nhsIdCode begins one, and so does a name that its block has already."""
    block: dict[str, list[str]] = {}
    for name, values in attributes:
        if name not in _OF_ROLE:
            continue
        if block and (name == _FIRST_OF_ROLE or name in block):
            yield block
            block = {}
        block[name] = values
    if block:
        yield block


def _role(block: Mapping[str, list[str]]) -> Role:
    def first(name: str) -> str:
        return next(iter(block.get(name, [])), "")

    return Role(
        id=first("uniqueIdentifier"),
        organisation=first("o"),
        organisation_code=first("nhsIdCode"),
        job=first("nhsJobRole").rpartition('":"')[2].strip('"'),
        code=first("nhsJobRoleCode"),
        activities=tuple(block.get("nhsBusinessFunctions", [])),
    )
