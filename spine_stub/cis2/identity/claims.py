"""What the userinfo endpoint says of a person, by scope."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...people.directory import Person, Role

SCOPES = (
    "openid",
    "profile",
    "email",
    "nhsperson",
    "associatedorgs",
    "nationalrbacaccess",
    "professionalmemberships",
    "organisationalmemberships",
    "selectedrole",
    "changedrole",
)


def userinfo(person: Person, scopes: Collection[str], ial: int = 3) -> Mapping[str, Any]:
    """The claims about a person for the scopes that were granted; levels are numbers."""
    given, _, family = person.cn.rpartition(" ")
    claims: dict[str, Any] = {"sub": person.uid}
    if "profile" in scopes:
        claims |= {"name": person.cn, "given_name": given, "family_name": family}
    if "nhsperson" in scopes:
        claims |= {"nhsid_useruid": person.uid, "uid": person.uid, "name": person.cn, "idassurancelevel": ial}
    if "nationalrbacaccess" in scopes:
        claims["nhsid_nrbac_roles"] = [_role(person, role) for role in person.roles]
    if "associatedorgs" in scopes:
        claims["nhsid_user_orgs"] = [{"org_name": r.org_name, "org_code": r.org_code or ""} for r in person.roles]
    return claims


def _role(person: Person, role: Role) -> Mapping[str, Any]:
    return {
        "person_orgid": person.uid,
        "person_roleid": role.id,
        "org_code": role.org_code or "",
        "role_name": role.job,
        "role_code": role.code,
        "activities": list(role.business_functions.values()),
        "activity_codes": list(role.business_functions),
    }
