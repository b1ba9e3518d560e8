"""The XML of replies, in the real shape (docs/protocol.md, sections 2 and 6), written out line by line.

A template takes four times as long, which a broker under load cannot spare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
_BEARER = "urn:oasis:names:tc:SAML:1.0:cm:bearer"
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


def role_assertion(base: str, ids: tuple[str, str], session: Session, person: Person, now: datetime) -> str:
    """A SAML 1.1 response that is a success; `ids` are those of the response and of its assertion."""
    subject = (
        f'<saml:Subject>\n<saml:NameIdentifier NameQualifier="{base}">'
        f"uid={_text(person.uid)},ou=People,o=nhs</saml:NameIdentifier>\n"
        f"<saml:SubjectConfirmation><saml:ConfirmationMethod>{_BEARER}</saml:ConfirmationMethod>"
        "</saml:SubjectConfirmation>\n</saml:Subject>"
    )
    return "\n".join((
        _DECLARATION,
        _response(ids[0], now, f' xmlns:saml="{_SAML}"'),
        '<samlp:Status><samlp:StatusCode Value="samlp:Success"/></samlp:Status>',
        f'<saml:Assertion MajorVersion="1" MinorVersion="1" AssertionID="{ids[1]}" Issuer="{base}"'
        f' IssueInstant="{_instant(now)}">',
        f'<saml:Conditions NotBefore="{_instant(now - _VALID_BEFORE)}" NotOnOrAfter="{_instant(now + _VALID_AFTER)}"/>',
        f'<saml:AuthenticationStatement AuthenticationMethod="{_METHOD}"'
        f' AuthenticationInstant="{_instant(session.opened)}">',
        subject,
        "</saml:AuthenticationStatement>",
        "<saml:AttributeStatement>",
        subject,
        _attributes(session, person),
        "</saml:AttributeStatement>",
        "</saml:Assertion>",
        "</samlp:Response>",
        "",
    ))  # fmt: skip


def no_assertion(response_id: str, words: str, now: datetime) -> str:
    """A SAML 1.1 response that is no success."""
    status = f'<samlp:StatusCode Value="samlp:Requester"/><samlp:StatusMessage>{_text(words)}</samlp:StatusMessage>'
    return "\n".join((
        _DECLARATION,
        _response(response_id, now),
        f"<samlp:Status>{status}</samlp:Status>",
        "</samlp:Response>",
        "",
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


def _response(response_id: str, now: datetime, more: str = "") -> str:
    return (
        f'<samlp:Response xmlns:samlp="{_SAMLP}"{more} MajorVersion="1" MinorVersion="1"'
        f' ResponseID="{response_id}" IssueInstant="{_instant(now)}">'
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
    yield "ssbSessionRoleUid", [session.role_id or ""]
    yield "ssbMode", [session.mode]
    for role in person.roles:
        yield from _of_role(role)


def _of_role(role: Role) -> Iterator[Attribute]:
    yield "nhsIdCode", [role.org_code or ""]
    yield "o", [role.org_name]
    yield "nhsJobRole", [role.job]
    yield "nhsJobRoleCode", [role.code]
    yield "uniqueIdentifier", [role.id]
    yield from _coded("nhsBusinessFunctions", role.business_functions)
    yield from _coded("nhsAreaOfWork", role.areas_of_work)
    yield from _coded("nhsWorkGroups", role.work_groups)


def _coded(name: str, by_code: Mapping[str, str]) -> Iterator[Attribute]:
    yield name, by_code.values()
    yield f"{name}Codes", by_code


def _element(name: str, values: Iterable[str]) -> str:
    inner = "".join(f"<saml:AttributeValue>{escape(value)}</saml:AttributeValue>" for value in values)
    start = f'<saml:Attribute AttributeName="{name}" AttributeNamespace="{_NAMESPACE}">'
    return f"{start}{inner}</saml:Attribute>"
