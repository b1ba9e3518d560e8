"""The pages: who signs in, by a click or by a card; in which role; and what to do where something went wrong.

A page belongs to one authorization request, which its key names until it is answered. What is chosen comes back by a
form that only our own page may send. All but the smartcard works without JavaScript.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flask import Response

from ...errors import BrokerError, Unavailable
from ...people.directory import Person
from ...sessions import session_key
from ..endpoints.redirects import grant, refuse
from ..identity.assurance import SMARTCARD, Wanted
from ..identity.mock_people import is_mock, usual_mechanism
from ..identity.sessions import Authentication
from ..pending import Pending
from ..tokens.codes import AuthorizationRequest
from .begin import ROLE_PAGE, SIGN_IN_PAGE, mechanism_for, session_of, sign_in
from .looks import or_away, page, problem_page
from .roles import LISTED, found_roles, how_many

if TYPE_CHECKING:
    from ...web.request import BrokerRequest
    from ..provider import Provider

_MOST = 50
"""How many people a page lists."""
_LONGEST_TICKET = 4096
_LONGEST_SEARCH = 100
_MOCK = "People of NHS England's public mock"
_NOT_CHOSEN = "Nobody of this name is there any more: choose again."
_NOT_HELD = "This role is not there any more: choose again."
_CARD_REFUSED = "The broker does not accept this card. Take it out, sign in to the agent again, then try again."
_BROKER_AWAY = "The broker cannot be asked just now. Nothing is wrong with the card: try again in a minute."


@or_away
def sign_in_page(provider: Provider, asked: BrokerRequest) -> Response:
    """Show who can sign in, or take the answer."""
    pending = _pending(provider, asked)
    if isinstance(pending, Response):
        return pending
    request = pending.request
    if asked.method != "POST":
        return _show_people(provider, asked, request)
    if "ticket" in asked.form:
        return _by_card(provider, asked, request)
    person = provider.person(asked.form.get("uid", ""))
    if person is None:
        return _show_people(provider, asked, request, _NOT_CHOSEN, 400)
    mechanism = mechanism_for(person, Wanted.read(request.parameters), asked.form.get("mechanism", ""))
    return _signed_in(provider, asked, request, mechanism.at(person.uid, provider.clock(), person.identity_level))


@or_away
def role_page(provider: Provider, asked: BrokerRequest) -> Response:
    """Show the roles that there are to choose from, or take the answer."""
    pending = _pending(provider, asked)
    if isinstance(pending, Response):
        return pending
    request = pending.request
    session = session_of(provider, asked)
    person = provider.person(session.uid) if session else None
    if session is None or person is None or session.sid != pending.sid:
        return problem_page("You are not signed in any more")
    if asked.method != "POST":
        return _show_roles(provider, asked, request, person)
    role = person.role(asked.form.get("role", ""))
    if role is None:
        return _show_roles(provider, asked, request, person, _NOT_HELD, 400)
    if not _close(provider, asked):
        return _over()
    provider.journal.add("role", sign_in=request.sign_in, client_id=request.client_id, sent={"role": role.id})
    return grant(provider, request, session, role.id)


def _pending(provider: Provider, asked: BrokerRequest) -> Pending | Response:
    """The authorization request that a page belongs to; or the reply, when it is to be answered at once."""
    pending = provider.pending.get(_key(asked))
    if pending is None:
        return _over()
    if asked.method == "POST" and asked.is_foreign:
        return problem_page("Another site sent this form", "Nothing was done.", 403)
    if asked.method == "POST" and "cancel" in asked.form:
        return _cancelled(provider, asked, pending.request)
    return pending


def _cancelled(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest) -> Response:
    if not _close(provider, asked):
        return _over()
    return refuse(provider, request, "access_denied", "The person cancelled")


def _by_card(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest) -> Response:
    """Sign in whoever the agent's ticket belongs to, for as long as the broker's session lasts."""
    ticket = asked.form["ticket"]
    try:
        if SMARTCARD not in Wanted.read(request.parameters).offered() or len(ticket) > _LONGEST_TICKET:
            return _show_people(provider, asked, request, _CARD_REFUSED, 403)
        _, person = provider.broker.session(ticket)
    except Unavailable:
        return _show_people(provider, asked, request, _BROKER_AWAY, 503)
    except BrokerError as exc:
        asked.note(reason=exc.reason, detail=exc.detail)
        why = f"The broker does not accept the card's ticket: {exc.reason}"
        provider.journal.add("page", sign_in=request.sign_in, client_id=request.client_id, refused=why)
        return _show_people(provider, asked, request, _CARD_REFUSED, 403)
    who = SMARTCARD.at(person.uid, provider.clock(), person.identity_level)
    return _signed_in(provider, asked, request, who, session_key(ticket))


def _signed_in(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, who: Authentication, ticket_key: str = ""
) -> Response:
    """Go on with whoever the page was answered by."""
    if not _close(provider, asked):
        return _over()
    sent = {"uid": who.uid, "mechanism": who.mechanism, "authentication_assurance_level": who.aal}
    provider.journal.add("page", sign_in=request.sign_in, client_id=request.client_id, sent=sent)
    return sign_in(provider, asked, request, who, ticket_key=ticket_key)


def _show_people(
    provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, problem: str = "", status: int = 200
) -> Response:
    wanted, search = Wanted.read(request.parameters), _search(asked)
    today = provider.clock().date()
    found = provider.people.people(search, _MOST)
    bridge = f"http://127.0.0.1:{provider.broker.config.bridge_port}"
    return page(
        "sign_in.html",
        status,
        bridge,
        **_common(provider, asked, request, SIGN_IN_PAGE),
        card_bridge=bridge if SMARTCARD in wanted.offered() else "",
        groups=_groups([person.on(today) for person in found if person.active]),
        is_cut=len(found) == _MOST,
        most=_MOST,
        offered=wanted.offered(),
        asked=request,
        problem=problem,
    )


def _groups(people: Sequence[Person]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The broker's people, and then those of the public mock, each with what they are good for in a test."""
    groups = [("", [each for each in people if not is_mock(each.uid)])]
    groups.append((_MOCK, [each for each in people if is_mock(each.uid)]))
    return [(title, [{"person": each, "says": _says(each)} for each in listed]) for title, listed in groups if listed]


def _says(person: Person) -> str:
    usual = usual_mechanism(person.uid)
    says = [how_many(person)]
    if usual != SMARTCARD:
        says.append(f"always AAL{usual.aal}")
    if person.identity_level < Person.identity_level:
        says.append(f"identity level {person.identity_level}")
    return ", ".join(says)


def _show_roles(
    provider: Provider,
    asked: BrokerRequest,
    request: AuthorizationRequest,
    person: Person,
    problem: str = "",
    status: int = 200,
) -> Response:
    return page(
        "role.html",
        status,
        **_common(provider, asked, request, ROLE_PAGE),
        person=person,
        roles=found_roles(person, _search(asked)),
        searches=len(person.roles) > LISTED,
        problem=problem,
    )


def _common(provider: Provider, asked: BrokerRequest, request: AuthorizationRequest, path: str) -> dict[str, Any]:
    client = provider.clients.get(request.client_id)
    name = client.name if client and client.name else request.client_id
    return {"client_name": name, "path": path, "key": _key(asked), "q": _search(asked)}


def _key(asked: BrokerRequest) -> str:
    return asked.form.get("key", "") if asked.method == "POST" else asked.args.get("key", "")


def _search(asked: BrokerRequest) -> str:
    return asked.args.get("q", "").strip()[:_LONGEST_SEARCH]


def _close(provider: Provider, asked: BrokerRequest) -> bool:
    """Let the page be over; False when somebody has sent its form already, at the same moment."""
    return provider.pending.take(_key(asked)) is not None


def _over() -> Response:
    return problem_page("This page is over", "It was answered already, or it is too old.")
