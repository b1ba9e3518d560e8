"""A check of tickets in the shape of OpenAM's legacy identity service.

Public documents of Spine name "the Access Manager API" as the way to ask whether a ticket is still
valid, but say nothing of its form (nhs-facts.md 5.3). Tickets have OpenSSO's form, so this offers
what OpenSSO and OpenAM offered then. **Whether Spine itself has these addresses could not be
confirmed**: they are for programs that were written against OpenAM.

    /identity/isTokenValid?tokenid=<ticket>     "boolean=true", or 401 with "boolean=false"
    /identity/attributes?subjectid=<ticket>     userdetails.* lines, or 401
    /identity/logout?subjectid=<ticket>         an empty page, whether there was a session or not

GET and POST; parameters in the query or in a form. A ticket may be c66 encoded, as OpenAM writes it
for addresses: - _ . * for + / = and, as the marks between its parts, * for @ and #. Asking does not
count as use of the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs

from flask import Response

from ..errors import BrokerError, InvalidInput, Unavailable
from ..login.broker import Broker
from ..people.directory import Person
from ..sessions import Session, from_c66, session_key
from .replies import REASON_HEADER
from .request import Visit

_UNAUTHORIZED = 401
_MOST_FIELDS = 100
_NO_TICKET = "exception.name=com.sun.identity.idsvcs.TokenExpired Token is not valid"


def is_token_valid(broker: Broker, visit: Visit) -> Response:
    """Say whether there is a live session behind a ticket."""
    try:
        broker.check_ticket(_ticket(visit, "tokenid"))
    except Unavailable:
        raise
    except BrokerError as exc:
        return _refusal(visit, "boolean=false", exc)
    return _lines("boolean=true")


def attributes(broker: Broker, visit: Visit) -> Response:
    """Say whose ticket it is, with the role that was chosen."""
    ticket = _ticket(visit, "subjectid")
    try:
        session, person = broker.check_ticket(ticket)
    except Unavailable:
        raise
    except BrokerError as exc:
        return _refusal(visit, _NO_TICKET, exc)
    lines = [f"userdetails.token.id={ticket}"]
    for name, value in _values(session, person):
        lines += [f"userdetails.attribute.name={name}", f"userdetails.attribute.value={value}"]
    return _lines(*lines)


def logout(broker: Broker, visit: Visit) -> Response:
    """End the session of a ticket."""
    ticket = _ticket(visit, "subjectid")
    visit.note(ended=broker.log_out(ticket))
    return _lines()


def _values(session: Session, person: Person) -> Iterator[tuple[str, str]]:
    yield "uid", person.uid
    yield "cn", person.cn
    yield "dn", f"uid={person.uid},ou=People,o=nhs"
    yield "ssbSessionRoleUid", session.role_id or ""
    yield "ssbMode", session.mode


def _ticket(visit: Visit, name: str) -> str:
    try:
        form = parse_qs(visit.body.decode("latin-1"), max_num_fields=_MOST_FIELDS)
    except ValueError as exc:
        raise InvalidInput("too-many-fields") from exc
    ticket = visit.request.args.get(name) or next(iter(form.get(name, [])), "")
    if not ticket:
        raise InvalidInput(f"missing-{name}")
    ticket = from_c66(ticket)
    visit.note(session=session_key(ticket)[:8])
    return ticket


def _refusal(visit: Visit, words: str, exc: BrokerError) -> Response:
    visit.note(reason=exc.reason)
    reply = _lines(words)
    reply.status_code = _UNAUTHORIZED
    reply.headers[REASON_HEADER] = exc.reason
    return reply


def _lines(*lines: str) -> Response:
    return Response("".join(f"{line}\n" for line in lines), content_type="text/plain; charset=UTF-8")
