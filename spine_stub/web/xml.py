"""The XML of replies, in the real shape (docs/protocol.md, sections 2 and 6), written out line by line.

A template takes four times as long, which a broker under load cannot spare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from ..login.gpobject import Message
from ..people.directory import Person, Role
from ..sessions import Limits, Session

GAS_VERSION = "5.2.7"
_GAC_VERSION = "3.9.1"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_SAMLP = "urn:oasis:names:tc:SAML:1.0:protocol"
_SAML = "urn:oasis:names:tc:SAML:1.0:assertion"
_CONFIRMATION = "<saml:ConfirmationMethod>urn:com:sun:identity</saml:ConfirmationMethod>"
_NAMESPACE = "http://www.syntegra.com"
_ASSERTION_VERSION = "1.1"
_METHOD = "urn:com:sun:identity:ExtendedLoginModule"
_VALID_BEFORE = timedelta(minutes=3)
_VALID_AFTER = timedelta(minutes=1)
_MINUTE = timedelta(minutes=1)

Parameter = tuple[str, str]
"""A name and its value, as text."""
Attribute = tuple[str, Iterable[str]]
"""A name of the role assertion (docs/protocol.md, section 6), and its values."""


def activation(base: str, asked: Message, challenge: str, signature: str) -> str:
    """The reply to authactivate; `base` is where the client reached us, such as https://127.0.0.1:8443."""
    return _gp_object(
        base,
        _lines(
            ("gas_version", GAS_VERSION),
            ("signature", signature),
            ("server_ip", _host(base)),
            ("ssp_url", ""),
            ("app_url", asked.get("app_url", "")),
            ("log_session_id", asked.get("log_session_id", "")),
            ("service", "ACTIVATION"),
            ("error_url", f"{base}/login/error"),
            ("ticket", ""),
            ("auth_method", asked.get("auth_method", "3")),
            ("reply_url", f"{base}/login/authvalidate"),
            ("challenge", challenge),
            ("download_gac_url", ""),
            ("latest_gac_version", _GAC_VERSION),
        ),
    )


def login(base: str, asked: Message, person: Person, ticket: str, limits: Limits) -> str:
    """The reply to an authvalidate that was granted."""
    who = _lines(
        ("log_session_id", asked.get("log_session_id", "")),
        ("error_url", f"{base}/login/error"),
        ("server_ip", _host(base)),
        ("cn", person.cn),
    )
    session = _lines(
        ("gas_version", GAS_VERSION),
        ("sso_ticket", ticket),
        ("sso_domain", _host(base)),
        ("sso_session_url", f"{base}/login/ssoupdate"),
        ("sso_max_session_time", str(limits.absolute // _MINUTE)),
        ("sso_keep_alive", "false"),
        ("sso_session_time", str(limits.idle // _MINUTE)),
        ("sso_logout_url", f"{base}/login/authlogout"),
        ("auth_method", asked.get("auth_method", "3")),
        ("app_url", asked.get("app_url", "")),
        ("service", "AUTHENTICATION"),
    )
    return _gp_object(base, [*who, *_roles(person), *session])


@dataclass(frozen=True)
class Asker:
    """Who asks for a role assertion: the address it reached us at, its own address, and the ticket it has."""

    base: str
    address: str
    ticket: str


def role_assertion(asker: Asker, ids: tuple[str, str], session: Session, person: Person, now: datetime) -> str:
    """A SAML 1.1 response that is a success, in the form that was recorded: one assertion within another's subject.

    `ids` are those of the outer and of the inner assertion. The inner one says how the person signed in.
    """
    who = f'<saml:NameIdentifier NameQualifier="o=nhs">uid={_text(person.uid)},ou=People,o=nhs</saml:NameIdentifier>'
    return "\n".join((
        _DECLARATION,
        _response(asker.address, now),
        '<samlp:Status>\n<samlp:StatusCode Value="samlp:Success"/>\n</samlp:Status>',
        *_begin_assertion(asker, ids[0], now, f' xmlns:saml="{_SAML}"'),
        "<saml:AttributeStatement>",
        f"<saml:Subject>\n{who}\n<saml:SubjectConfirmation>\n{_CONFIRMATION}\n<saml:SubjectConfirmationData>",
        *_begin_assertion(asker, ids[1], now),
        f'<saml:AuthenticationStatement AuthenticationInstant="{_instant(session.opened)}"'
        f' AuthenticationMethod="{_METHOD}">',
        f"<saml:Subject>\n{who}\n<saml:SubjectConfirmation>\n{_CONFIRMATION}",
        f"<saml:SubjectConfirmationData>{_text(asker.ticket)}</saml:SubjectConfirmationData>",
        "</saml:SubjectConfirmation>\n</saml:Subject>",
        f'<saml:SubjectLocality IPAddress="{asker.address}"/>',
        "</saml:AuthenticationStatement>\n</saml:Assertion>",
        "</saml:SubjectConfirmationData>\n</saml:SubjectConfirmation>\n</saml:Subject>",
        _attributes(session, person),
        "</saml:AttributeStatement>\n</saml:Assertion>\n</samlp:Response>\n",
    ))  # fmt: skip


def no_assertion(address: str, words: str, now: datetime) -> str:
    """A SAML 1.1 response that is no success, for who asks from this address."""
    status = f'<samlp:StatusCode Value="samlp:Requester"/><samlp:StatusMessage>{_text(words)}</samlp:StatusMessage>'
    return "\n".join((
        _DECLARATION,
        _response(address, now),
        f"<samlp:Status>{status}</samlp:Status>",
        "</samlp:Response>\n",
    ))  # fmt: skip


def _gp_object(base: str, lines: Iterable[str]) -> str:
    doctype = f'<!DOCTYPE USER SYSTEM "{base}/login/dtd">'
    return "\n".join((_DECLARATION, doctype, "<gpOBJECT>", *lines, "</gpOBJECT>", ""))


def _lines(*parameters: Parameter) -> list[str]:
    return [f'<gpPARAM name="{name}">{_text(value)}</gpPARAM>' for name, value in parameters]


def _roles(person: Person) -> Iterator[str]:
    # A role's text is not escaped: the real broker sends its & raw, so what it sends is not well-formed
    # XML, and a client that cannot read that must fail here too. toml.py keeps markup out of it.
    for number, role in enumerate(person.roles):
        yield f'<gpPARAM name="nhsjobrole{number}" {_role_attributes(role)}>{role.text}</gpPARAM>'


def _role_attributes(role: Role) -> str:
    organisation = f" orgcode={quoteattr(role.org_code)}" if role.org_code else ""
    return f"id={quoteattr(role.id)}{organisation}"


def _response(address: str, now: datetime) -> str:
    return (
        f'<samlp:Response xmlns:samlp="{_SAMLP}" ResponseID="null" InResponseTo="null" MajorVersion="1"'
        f' MinorVersion="1" IssueInstant="{_instant(now)}" Recipient="{address}">'
    )


def _begin_assertion(asker: Asker, assertion_id: str, now: datetime, namespace: str = "") -> tuple[str, str]:
    return (
        f'<saml:Assertion{namespace} MajorVersion="1" MinorVersion="1" AssertionID="{assertion_id}"'
        f' Issuer="{asker.base}" IssueInstant="{_instant(now)}">',
        f'<saml:Conditions NotBefore="{_instant(now - _VALID_BEFORE)}" NotOnOrAfter="{_instant(now + _VALID_AFTER)}"/>',
    )


def _text(value: str) -> str:
    """Escape what must be in XML text, and keep it on one line; quotes stay as they are."""
    return escape(" ".join(value.split()))


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _host(base: str) -> str:
    return urlsplit(base).hostname or ""


def _attributes(session: Session, person: Person) -> str:
    """All attributes as XML, each on a line; those without a value are left out, as the real broker does."""
    found = ((name, [value for value in values if value]) for name, values in _all_attributes(session, person))
    return "\n".join(_element(name, values) for name, values in found if values)


def _all_attributes(session: Session, person: Person) -> Iterator[Attribute]:
    yield "ssbAssertionVersion", [_ASSERTION_VERSION]
    yield "cn", [person.cn]
    yield "uid", [person.uid]
    # The documentation writes the first, a client looks for the second; no record shows what the real broker sends.
    yield "nhsOcsPrCode", [person.ocs_pr_code]
    yield "NhsOcsPrCode", [person.ocs_pr_code]
    yield "ssbSessionRoleUid", [session.role_id or ""]
    yield "ssbMode", [session.mode]
    for role in person.roles:
        yield from _of_role(role)


def _of_role(role: Role) -> Iterator[Attribute]:
    """In the order that was recorded."""
    yield "nhsIdCode", [role.org_code or ""]
    yield "o", [role.org_name]
    yield "nhsAreaOfWorkCodes", role.areas_of_work
    yield "nhsBusinessFunctions", role.business_functions.values()
    yield "nhsBusinessFunctionsCodes", role.business_functions
    yield "nhsAreaOfWork", role.areas_of_work.values()
    yield "nhsJobRole", [role.job]
    yield "uniqueIdentifier", [role.id]
    yield "nhsJobRoleCode", [role.code]
    yield "nhsWorkGroupsCodes", role.work_groups
    yield "nhsWorkGroups", role.work_groups.values()


def _element(name: str, values: Iterable[str]) -> str:
    # Each value on a line of its own: one client drops the first character after the start of an attribute.
    inner = "\n".join(f"<saml:AttributeValue>{escape(value)}</saml:AttributeValue>" for value in values)
    return f'<saml:Attribute AttributeName="{name}" AttributeNamespace="{_NAMESPACE}">\n{inner}\n</saml:Attribute>'
