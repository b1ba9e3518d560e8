"""People as LDIF (RFC 2849), in the shape that ldap.py reads: for `ldapadd` and `slapadd`.

python3 -m spine_stub person ldif > people.ldif
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from .directory import Person, Role

BASE = "ou=People,o=nhs"
"""Where people are, unless the address of a directory says otherwise."""
PERSONAL = {
    "title": "personalTitle", "given_name": "givenName", "middle_names": "nhsMiddleNames", "email": "mail",
    "ocs_pr_code": "nhsOcsPrCode",
}  # fmt: skip
PROFESSIONAL = {
    "consultant": "nhsConsultant", "gdc": "nhsGDC", "gdp": "nhsGDP", "gmc": "nhsGMC", "gmp": "nhsGMP",
    "gphc": "nhsRPSGB", "nmc": "nhsNMC", "rcn": "nhsRCN",
}  # fmt: skip
"""In which attribute each is. The pharmacists' council has another name since the attribute got its own."""
_HEAD = """\
dn: o=nhs
objectClass: organization
o: nhs

dn: ou=People,o=nhs
objectClass: organizationalUnit
ou: People
"""

Attribute = tuple[str, str | None]


def to_ldif(people: Iterable[Person]) -> str:
    """Write these people, with the entries above them, so that an empty server can take the text."""
    entries = [_HEAD.rstrip("\n")]
    for person in people:
        entries += ["\n".join(_lines(attributes)) for attributes in _entries(person)]
    return "\n\n".join(entries) + "\n"


def _entries(person: Person) -> Iterator[list[Attribute]]:
    dn = f"uid={person.uid},{BASE}"
    yield [
        ("dn", dn), ("objectClass", "nhsPerson"), ("uid", person.uid), ("cn", person.cn),
        ("sn", person.family_name or person.cn.split()[-1]), ("nhsPersonStatus", "1" if person.active else "0"),
        *((name, getattr(person, field)) for field, name in PERSONAL.items()),
        *((name, person.professional.get(council)) for council, name in PROFESSIONAL.items()),
    ]  # fmt: skip
    organisations: dict[tuple[str | None, str], str] = {}
    for role in person.roles:
        key = (role.org_code, role.org_name)
        if key not in organisations:
            organisations[key] = identifier = f"{role.id}-org"
            yield [
                ("dn", f"uniqueIdentifier={identifier},{dn}"), ("objectClass", "nhsOrgPerson"),
                ("uniqueIdentifier", identifier), ("nhsIDCode", role.org_code), ("o", role.org_name),
            ]  # fmt: skip
        yield _role(role, f"uniqueIdentifier={organisations[key]},{dn}")


def _role(role: Role, above: str) -> list[Attribute]:
    return [
        ("dn", f"uniqueIdentifier={role.id},{above}"),
        ("objectClass", "nhsOrgPersonRole"),
        ("uniqueIdentifier", role.id),
        ("nhsIDCode", role.org_code),
        ("o", role.org_name),
        ("nhsJobRole", role.job),
        ("nhsJobRoleCode", role.code or None),
        *_coded("nhsBusinessFunctions", role.business_functions),
        *_coded("nhsAreaOfWork", role.areas_of_work),
        *_coded("nhsWorkGroups", role.work_groups),
        ("nhsOrgOpenDate", _day(role.opened)),
        ("nhsOrgCloseDate", _day(role.closed)),
    ]


def _coded(name: str, by_code: Mapping[str, str]) -> list[Attribute]:
    return [*((name, value) for value in by_code.values()), *((f"{name}Codes", code) for code in by_code)]


def _day(day: date | None) -> str | None:
    return f"{day:%Y%m%d}" if day else None


def _lines(attributes: Iterable[Attribute]) -> Iterator[str]:
    for name, value in attributes:
        if not value:
            continue
        if value.isascii() and value[0] not in " :<" and value[-1] != " ":
            yield f"{name}: {value}"
        else:  # RFC 2849: what is not a SAFE-STRING goes as base64
            yield f"{name}:: {base64.b64encode(value.encode()).decode('ascii')}"
