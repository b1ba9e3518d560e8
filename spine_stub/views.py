"""One function per endpoint: read the request, ask the broker, shape the reply.

The endpoints are those of nhs-facts.md 3.1 and 5.3, and of design.md, "Contract".

Where design.md says GET and POST, a message may be XML in the body of either, whatever its
Content-Type says, or, for GET without a body, the query.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Response, g, render_template, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from . import assertion, gpobject, replies
from .broker import Broker
from .checks import Check, Checks
from .errors import Refused
from .request_log import note
from .sessions import session_key

_READ_ON = 512 * 1024
"""How many bytes of a request that is too large are read, and thrown away."""
_ASSERTION_BEFORE = timedelta(minutes=3)
_ASSERTION_AFTER = timedelta(minutes=1)


def activate(broker: Broker) -> Response:
    """Give a challenge to sign."""
    message = _message(broker)
    challenge, signature = broker.activate(message)
    return replies.xml("authactivate.xml", **replies.echo(message), challenge=challenge, signature=signature)


def validate(broker: Broker) -> Response:
    """Give a ticket and the roles for a signed challenge."""
    checks = g.checks = Checks()
    with checks(Check.MESSAGE):
        message = _message(broker)
    note(uid=message.get("uid", ""))
    login = broker.validate(message, checks)
    g.session_key = session_key(login.ticket)
    note(session=_short(login.ticket))
    return replies.xml(
        "authvalidate.xml",
        **replies.echo(message),
        person=login.person,
        ticket=login.ticket,
        max_minutes=broker.config.max_session // timedelta(minutes=1),
        idle_minutes=broker.config.idle // timedelta(minutes=1),
    )


def log_out(broker: Broker) -> Response:
    """End the session of a ticket."""
    note(ended=broker.log_out(_ticket(broker)))
    return replies.status("OK")


def keep_alive(broker: Broker) -> Response:
    """Take a sign of life from the owner of a ticket."""
    session, _ = broker.session(_ticket(broker))
    note(uid=session.uid)
    return replies.status("OK")


def select_role(broker: Broker) -> Response:
    """Choose one of the roles for the session."""
    role_id = request.args.get("selectedRoleUid", "")
    session = broker.select_role(_ticket(broker), role_id, request.args.get("ssbMode", "0"))
    note(uid=session.uid, role=role_id)
    return replies.status("OK")


def assert_role(broker: Broker) -> Response:
    """Give a SAML 1.1 response; without a live session one that is no success."""
    now = broker.clock()
    try:
        session, person = broker.session(_ticket(broker))
    except Refused as exc:
        note(reason=exc.reason)
        reply = replies.xml("assertion_refused.xml", words=exc.words, **_saml_ids(broker), now=now)
        reply.headers[replies.REASON_HEADER] = exc.reason
        return reply
    note(uid=session.uid)
    return replies.xml(
        "assertion.xml",
        **_saml_ids(broker),
        person=person,
        session=session,
        attributes=assertion.attributes(session, person),
        now=now,
        not_before=now - _ASSERTION_BEFORE,
        not_after=now + _ASSERTION_AFTER,
    )


def dtd(_: Broker) -> Response:
    """Serve the DTD that replies refer to."""
    return Response(render_template("gpOBJECT.dtd"), mimetype="application/xml-dtd")


def error_page(_: Broker) -> Response:
    """The page that error_url of replies leads to."""
    return replies.plain("The sign-in did not succeed.")


def healthz(_: Broker) -> Response:
    """Say that the broker answers."""
    return replies.plain("ok")


def read_ticket(broker: Broker) -> str:
    """The ticket, from the query or, where there is a body, from its sso_ticket; raises BrokerError."""
    return request.args.get("token") or _message(broker).get("sso_ticket", "")


def read_body(limit: int) -> bytes:
    """Read the body before Flask takes it for a form, once; raises HTTPException."""
    if "body" not in g:
        g.body = _read_body(limit)
    body: bytes = g.body
    return body


def _message(broker: Broker) -> gpobject.Message:
    body = read_body(broker.config.max_body)
    if not body and request.method == "GET":
        return dict(request.args.items())
    g.message = message = gpobject.parse(body)
    return message


def _read_body(limit: int) -> bytes:
    try:
        body = request.stream.read(limit + 1)
        if len(body) > limit:
            # A client that is still sending would not see the reply.
            request.stream.read(_READ_ON)
    except (OSError, ValueError) as exc:  # the client has gone, is silent, or counts chunks wrong
        raise BadRequest from exc
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


def _ticket(broker: Broker) -> str:
    """The ticket, whose short name is noted."""
    ticket = read_ticket(broker)
    if ticket:
        note(session=_short(ticket))
    return ticket


def _short(ticket: str) -> str:
    """A name for a session in the log; the ticket itself is never written anywhere."""
    return session_key(ticket)[:8]


def _saml_ids(broker: Broker) -> dict[str, str]:
    return {name: "_" + broker.random(16).hex() for name in ("response_id", "assertion_id")}
