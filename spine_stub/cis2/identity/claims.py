"""What the userinfo endpoint says of a person, by scope.

The scopes are those of NHS England's "Scopes and claims", the shapes those of public replies and of the types that
public applications read them into. Levels are numbers here, and lists are lists: some registrations have them
otherwise. What is not known of a person is left out.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ...people.directory import Person, Role

Claims = dict[str, Any]


def claims(person: Person, scopes: Container[str]) -> Claims:
    """Return the claims of a person that these scopes give; without `sub`, which every reply has."""
    found: Claims = {}
    for scope, give in _BY_SCOPE.items():
        if scope in scopes:
            found |= _known(give(person))
    return found


def _profile(person: Person) -> Claims:
    words = person.cn.split()
    return {
        "uid": person.uid,
        "name": person.cn,
        "given_name": person.given_name or words[0],
        "family_name": person.family_name or words[-1],
    }


def _email(person: Person) -> Claims:
    return {"email": person.email}


def _nhsperson(person: Person) -> Claims:
    return {
        "nhsid_useruid": person.uid,
        "display_name": person.cn,
        "title": person.title,
        "initials": "".join(name[0] for name in person.middle_names.split()),
        "middle_names": person.middle_names,
        "idassurancelevel": person.identity_level,
    }


def _associatedorgs(person: Person) -> Claims:
    organisations = _organisations(person).values()
    return {"nhsid_user_orgs": [_without(organisation, "person_orgid") for organisation in organisations]}


def _nationalrbacaccess(person: Person) -> Claims:
    organisations = _organisations(person)
    return {"nhsid_nrbac_roles": [_role(role, organisations[_organisation(role)]) for role in person.roles]}


def _professionalmemberships(person: Person) -> Claims:
    return {f"{council}_id": number for council, number in person.professional.items()}


def _organisationalmemberships(person: Person) -> Claims:
    organisations = list(_organisations(person).values())
    return {"nhsid_org_memberships": organisations, "nhsid_org_roles": organisations}


_BY_SCOPE = {
    "profile": _profile,
    "email": _email,
    "nhsperson": _nhsperson,
    "associatedorgs": _associatedorgs,
    "nationalrbacaccess": _nationalrbacaccess,
    "professionalmemberships": _professionalmemberships,
    "organisationalmemberships": _organisationalmemberships,
}
ROLE_SCOPES = ("selectedrole", "changedrole")
"""Those by which an application asks for a role; one of them gives a claim of the ID token, `selected_roleid`."""
SCOPES = ("openid", *_BY_SCOPE, *ROLE_SCOPES)
"""All that there are."""


def _role(role: Role, organisation: Claims) -> Claims:
    return _known(
        {
            **_without(organisation, "org_name"),
            "person_roleid": role.id,
            "role_name": role.job,
            "role_code": role.code,
            "activities": list(role.business_functions.values()),
            "activity_codes": list(role.business_functions),
            "workgroups": list(role.work_groups.values()),
            "workgroups_codes": list(role.work_groups),
            "aow": list(role.areas_of_work.values()),
            "aow_codes": list(role.areas_of_work),
        }
    )


def _organisations(person: Person) -> dict[tuple[str, str | None], Claims]:
    """Each organisation that somebody works for, with a number for the two, made of the uid: nobody here has one."""
    return {
        each: _known(
            {"person_orgid": f"{person.uid[:3]}9{person.uid[-6:]}{number:02}", "org_name": each[0], "org_code": each[1]}
        )
        for number, each in enumerate(dict.fromkeys(map(_organisation, person.roles)), 1)
    }


def _organisation(role: Role) -> tuple[str, str | None]:
    return role.org_name, role.org_code


def _known(claims: Claims) -> Claims:
    return {name: value for name, value in claims.items() if value not in (None, "", [])}


def _without(claims: Claims, name: str) -> Claims:
    return {other: value for other, value in claims.items() if other != name}
