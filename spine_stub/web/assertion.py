"""The attributes of the role assertion (nhs-facts.md 5.3), as SAML 1.1 has them.

Written out here and not in the template: there are a dozen for each role, and a template takes many
times as long for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.sax.saxutils import escape

from ..people.directory import Person, Role
from ..sessions import Session

_NAMESPACE = "http://www.syntegra.com"
_VERSION = "1.1"

Attribute = tuple[str, Iterable[str]]
"""A name of ours, and its values."""


def attributes(session: Session, person: Person) -> str:
    """All attributes as XML, each on a line."""
    return "\n".join(_element(name, values) for name, values in _all(session, person))


def _all(session: Session, person: Person) -> Iterator[Attribute]:
    yield "ssbAssertionVersion", [_VERSION]
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
    return f"{start}{inner or '<saml:AttributeValue/>'}</saml:Attribute>"
