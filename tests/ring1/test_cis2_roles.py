"""Which role an application is told of: when it is known, and when the person must be asked."""

from __future__ import annotations

import pytest

from spine_stub.cis2.sign_in.roles import found_roles, how_many, known_role
from spine_stub.people.directory import Person, Role


def somebody(roles: int) -> Person:
    return Person(
        "555000000009", "Ivy", tuple(Role(str(n), f"LAN{n}", f"WARD {n}", "G", "S", "N") for n in range(roles))
    )


@pytest.mark.parametrize(
    ("scopes", "roles", "chosen", "known"),
    [
        ("openid profile", 3, ["1"], ""),
        ("openid selectedrole", 0, [], ""),
        ("openid changedrole", 0, ["1"], ""),
        ("openid selectedrole", 1, [], "0"),
        ("openid changedrole", 1, [], "0"),
        ("openid selectedrole", 2, [], None),
        ("openid selectedrole", 2, ["1", "0"], "1"),
        ("openid selectedrole", 2, ["", "", "0"], "0"),
        ("openid selectedrole", 2, ["closed since", "1"], "1"),
        ("openid selectedrole", 2, ["closed since"], None),
        ("openid changedrole", 2, ["1"], None),
    ],
)
def test_a_role_is_asked_for_where_there_is_a_choice_that_was_not_made(
    scopes: str, roles: int, chosen: list[str], known: str | None
) -> None:
    assert known_role(scopes.split(), somebody(roles), chosen) == known


@pytest.mark.parametrize(("search", "found"), [("", 12), ("ward 1", 3), ("lan11", 1), ("nowhere", 0), ("G", 12)])
def test_roles_are_found_by_name_organisation_and_code(search: str, found: int) -> None:
    assert len(found_roles(somebody(12), search)) == found


@pytest.mark.parametrize(
    ("roles", "words"),
    [(0, "no role"), (1, "taken without asking"), (5, "5 roles, chosen from a list"), (6, "with a search")],
)
def test_the_page_says_what_a_number_of_roles_leads_to(roles: int, words: str) -> None:
    assert how_many(somebody(roles)).endswith(words)
