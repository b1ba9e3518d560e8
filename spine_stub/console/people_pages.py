"""The pages about people: searched, and one with roles and cards. The registration authority does the work."""

from __future__ import annotations

from collections.abc import Callable
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


def people(stub: Stub) -> str:
    """The people that a search finds, or all."""
    return _people_page(stub)


def add(stub: Stub) -> Response:
    """Enter a new person."""
    try:
        person = stub.registration.add_person(_field("cn"), uid=_field("uid"))
    except DataError as exc:
        return pages.wrong(_people_page(stub, str(exc)))
    return pages.back(f"/stub/people/{person.uid}")


def person(stub: Stub, uid: str) -> Response | str:
    """One person with roles and cards."""
    if stub.broker.directory.person(uid) is None:
        return pages.gone(f"Nobody has the uid {uid}.")
    return _person_page(stub, uid)


def edit(stub: Stub, uid: str) -> Response:
    """Change the name and the status."""

    def change(desk: RegistrationAuthority, person: Person) -> None:
        desk.edit_person(replace(person, cn=_field("cn"), active="active" in request.form))

    return _change(stub, uid, change)


def add_role(stub: Stub, uid: str) -> Response:
    """Give the person one role more."""

    def change(desk: RegistrationAuthority, person: Person) -> None:
        desk.edit_person(with_role(person, *map(_field, ROLE_FIELDS)))

    return _change(stub, uid, change)


def drop_role(stub: Stub, uid: str) -> Response:
    """Take a role away."""

    def change(desk: RegistrationAuthority, person: Person) -> None:
        desk.edit_person(replace(person, roles=tuple(role for role in person.roles if role.id != _field("role"))))

    return _change(stub, uid, change)


def issue_card(stub: Stub, uid: str) -> Response:
    """Make a new card."""
    return _change(stub, uid, lambda desk, _: desk.issue_card(uid, _field("card")))


def revoke_card(stub: Stub, uid: str) -> Response:
    """Put a card's certificates on the revocation list."""
    return _change(stub, uid, lambda desk, _: desk.revoke_card(_field("card")))


def revoke(stub: Stub, uid: str) -> Response:
    """Make the person inactive and revoke every certificate."""
    return _change(stub, uid, lambda desk, _: desk.revoke_person(uid))


def _change(stub: Stub, uid: str, change: Callable[[RegistrationAuthority, Person], object]) -> Response:
    found = stub.broker.directory.person(uid)
    if found is None:
        raise NotFound
    try:
        change(stub.registration, found)
    except DataError as exc:
        return pages.wrong(_person_page(stub, uid, str(exc)))
    return pages.back(f"/stub/people/{uid}")


def _people_page(stub: Stub, problem: str = "") -> str:
    search = request.args.get("q", "").strip()
    found = stub.broker.directory.people(search, _MOST)
    problem = problem or stub.broker.directory.problem
    return render_template("people.html", people=found, search=search, most=_MOST, problem=problem)


def _person_page(stub: Stub, uid: str, problem: str = "") -> str:
    found = stub.broker.directory.person(uid)
    if found is None:
        raise NotFound
    try:
        cards = stub.registration.cards_of(uid)
    except DataError as exc:
        cards, problem = [], problem or str(exc)
    today = stub.broker.clock().date()
    return render_template("person.html", person=found, cards=cards, today=today, problem=problem)


def _field(name: str) -> str:
    return request.form.get(name, "").strip()
