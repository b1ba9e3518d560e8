"""The role in which somebody signs in to an application: when it is known, and when it must be asked.

NHS England's "Role selection": nobody without a role is given one, and one that is the only one is taken. A role that
was chosen in this session is taken again, and so is the one that was chosen in the agent's window, unless the
application asks for `changedrole`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...people.directory import Person, Role
from ..identity.claims import ROLE_SCOPES

LISTED = 5
"""With more roles there is a search above the list."""


def known_role(scopes: Collection[str], person: Person, chosen: Sequence[str]) -> str | None:
    """Return a role's id, empty when there is none to give, or None when the person must be asked.

    `chosen` are the ids of roles that were chosen before, the last one first; some may be empty.
    """
    if not set(ROLE_SCOPES) & set(scopes) or not person.roles:
        return ""
    if len(person.roles) == 1:
        return person.roles[0].id
    if "changedrole" in scopes:
        return None
    return next((role_id for role_id in chosen if role_id and person.role(role_id)), None)


def found_roles(person: Person, search: str) -> list[Role]:
    """The roles in whose name, organisation or codes a search is found; capitals do not matter."""
    wanted = search.casefold()
    return [role for role in person.roles if wanted in f"{role.org_code} {role.text} {role.code}".casefold()]


def how_many(person: Person) -> str:
    """The number of somebody's roles, and what comes of that where an application asks for one."""
    count = len(person.roles)
    if count <= 1:
        return "one role, taken without asking" if count else "no role"
    return f"{count} roles, chosen from a list" + (" with a search" if count > LISTED else "")
