"""The pages about people: searched, and one with roles and cards. The registration authority does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from flask import Response, render_template, request
from werkzeug.exceptions import NotFound

from ..errors import DataError
from ..people.directory import Person
from ..pki.registration import RegistrationAuthority, with_role
from ..stub import Stub
from . import pages

_MOST = 100
ROLE_FIELDS = ("org_code", "org_name", "group", "sub_group", "name", "code")


def people(stub: Stub, problem: str = "") -> str:
    """The people that a search finds, or all."""
    search = request.args.get("q", "").strip()
    found = stub.broker.directory.people(search, _MOST)
    problem = problem or stub.broker.directory.problem
    return render_template("people.html", people=found, search=search, most=_MOST, problem=problem)


def add(stub: Stub) -> Response:
    """Enter a new person."""
    try:
        added = stub.registration.add_person(_field("cn"), uid=_field("uid"))
    except DataError as exc:
        return pages.wrong(people(stub, str(exc)))
    return pages.back(f"/stub/people/{added.uid}")


def person(stub: Stub, uid: str, problem: str = "") -> Response | str:
    """One person with roles and cards."""
    found = stub.broker.directory.person(uid)
    if found is None:
        return pages.gone(f"Nobody has the uid {uid}.")
    try:
        cards = stub.registration.cards_of(uid)
        revoked = [card for card in cards if stub.registration.is_revoked(card)]
    except DataError as exc:
        cards, revoked, problem = [], [], problem or str(exc)
    today = stub.broker.clock().date()
    return render_template("person.html", person=found, cards=cards, revoked=revoked, today=today, problem=problem)


def change(stub: Stub, uid: str, name: str) -> Response:
    """Make one of CHANGES."""
    found = stub.broker.directory.person(uid)
    if found is None or name not in CHANGES:
        raise NotFound
    try:
        CHANGES[name](stub.registration, found)
    except DataError as exc:
        return pages.wrong(person(stub, uid, str(exc)))
    return pages.back(f"/stub/people/{uid}")


def _edit(desk: RegistrationAuthority, person: Person) -> None:
    desk.edit_person(replace(person, cn=_field("cn"), active="active" in request.form))


def _add_role(desk: RegistrationAuthority, person: Person) -> None:
    desk.edit_person(with_role(person, *map(_field, ROLE_FIELDS)))


def _drop_role(desk: RegistrationAuthority, person: Person) -> None:
    desk.edit_person(replace(person, roles=tuple(role for role in person.roles if role.id != _field("role"))))


CHANGES: Mapping[str, Callable[[RegistrationAuthority, Person], object]] = {
    "edit": _edit,
    "add-role": _add_role,
    "drop-role": _drop_role,
    "issue-card": lambda desk, person: desk.issue_card(person.uid, _field("card")),
    "revoke-card": lambda desk, _: desk.revoke_card(_field("card"), _field("reason")),
    "revoke": lambda desk, person: desk.revoke_person(person.uid, _field("reason")),
}
"""What a form on a person's page can change, by the last part of its address."""


def _field(name: str) -> str:
    return request.form.get(name, "").strip()
