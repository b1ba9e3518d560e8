"""What people see of the provider: the page to sign in, the role screen, and the page that says what is wrong."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from flask import Response

from .. import REALM

if TYPE_CHECKING:
    from ...people.directory import Person
    from ...web.request import BrokerRequest
    from ..identity.sessions import Session
    from ..provider import Provider
    from ..tokens.codes import AuthorizationRequest


def page(provider: Provider, asked: BrokerRequest, key: str, request: AuthorizationRequest) -> Response:
    """The page with the people to click; `key` is the request's in provider.open."""
    people = provider.broker.directory.people()
    return _form(key, "uid", [(person.uid, person.cn) for person in people])


def role_screen(
    provider: Provider, asked: BrokerRequest, key: str, request: AuthorizationRequest, session: Session
) -> Response:
    """The page with the roles to choose from; `key` is the request's in provider.open."""
    person = provider.person(session.uid)
    return _form(key, "role", [(role.id, role.text) for role in person.roles] if person else [])


def known_role(request: AuthorizationRequest, session: Session, person: Person) -> str | None:
    """The role for a request without asking for it; nothing when there is none, None when the person must choose."""
    if not {"selectedrole", "changedrole"} & set(request.scopes):
        return ""
    if len(person.roles) > 1:
        chosen = session.roles.get(request.client_id) if "changedrole" not in request.scopes else None
        return chosen if chosen and person.role(chosen) else None
    return person.roles[0].id if person.roles else ""


def error_page(why: str) -> Response:
    """What is said where nothing may be sent to the application."""
    return Response(f"<!doctype html><title>Not possible</title><p>{escape(why)}.", 400, content_type="text/html")


def _form(key: str, name: str, choices: list[tuple[str, str]]) -> Response:
    buttons = "".join(
        f'<p><button name="{name}" value="{escape(value)}">{escape(text)}</button>' for value, text in choices
    )
    form = (
        f'<form method="post" action="{REALM}/sign-in"><input type="hidden" name="key" value="{key}">{buttons}</form>'
    )
    return Response(f"<!doctype html><title>Sign in</title>{form}", content_type="text/html; charset=UTF-8")
