"""One function per endpoint: read the request, ask the broker, shape the reply.

The endpoints are those of nhs-facts.md 3.1 and 5.3, and of design.md, "Contract".

Where design.md says GET and POST, a message may be XML in the body of either, whatever its
Content-Type says, or, for GET without a body, the query.
"""

from __future__ import annotations

from pathlib import Path

from flask import Response

from ..errors import Refused
from ..login.broker import Broker
from ..login.checks import Check, Checks
from ..sessions import session_key
from . import replies, xml
from .request import Visit

_DTD = Path(__file__).with_name("gpOBJECT.dtd")


def activate(broker: Broker, visit: Visit) -> Response:
    """Give a challenge to sign."""
    message = visit.message()
    challenge, signature = broker.activate(message)
    return replies.xml(xml.activation(visit.base, message, challenge, signature))


def validate(broker: Broker, visit: Visit) -> Response:
    """Give a ticket and the roles for a signed challenge."""
    checks = visit.checks = Checks()
    with checks(Check.MESSAGE):
        message = visit.message()
    visit.note(uid=message.get("uid", ""))
    login = broker.validate(message, checks)
    visit.session_key = session_key(login.ticket)
    visit.note(session=visit.session_key[:8])
    return replies.xml(xml.login(visit.base, message, login.person, login.ticket, broker.store.limits))


def log_out(broker: Broker, visit: Visit) -> Response:
    """End the session of a ticket."""
    visit.note(ended=broker.log_out(_ticket(visit)))
    return replies.status("OK")


def keep_alive(broker: Broker, visit: Visit) -> Response:
    """Take a sign of life from the owner of a ticket."""
    session, _ = broker.session(_ticket(visit))
    visit.note(uid=session.uid)
    return replies.status("OK")


def select_role(broker: Broker, visit: Visit) -> Response:
    """Choose one of the roles for the session."""
    query = visit.request.args
    role_id = query.get("selectedRoleUid", "")
    session = broker.select_role(_ticket(visit), role_id, query.get("ssbMode", "0"))
    visit.note(uid=session.uid, role=role_id)
    return replies.status("OK")


def assert_role(broker: Broker, visit: Visit) -> Response:
    """Give a SAML 1.1 response; without a live session one that is no success."""
    now = broker.clock()
    try:
        session, person = broker.session(_ticket(visit))
    except Refused as exc:
        visit.note(reason=exc.reason)
        reply = replies.xml(xml.no_assertion(_saml_id(broker), exc.words, now))
        reply.headers[replies.REASON_HEADER] = exc.reason
        return reply
    visit.note(uid=session.uid)
    ids = _saml_id(broker), _saml_id(broker)
    return replies.xml(xml.role_assertion(visit.base, ids, session, person, now))


def dtd(_: Broker, __: Visit) -> Response:
    """Serve the DTD that replies refer to."""
    return Response(_DTD.read_bytes(), mimetype="application/xml-dtd")


def error_page(_: Broker, __: Visit) -> Response:
    """The page that error_url of replies leads to."""
    return replies.plain("The sign-in did not succeed.")


def healthz(_: Broker, __: Visit) -> Response:
    """Say that the broker answers."""
    return replies.plain("ok")


def _ticket(visit: Visit) -> str:
    """The ticket. A short name for its session is noted: it itself is never written anywhere."""
    ticket = visit.ticket()
    if ticket:
        visit.note(session=session_key(ticket)[:8])
    return ticket


def _saml_id(broker: Broker) -> str:
    return "_" + broker.random(16).hex()
