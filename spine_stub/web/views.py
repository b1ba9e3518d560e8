"""One function per endpoint: read the request, ask the broker, shape the reply.

The endpoints are those of docs/protocol.md, sections 1 and 6; README.md has their methods.

Where both GET and POST are taken, a message may be XML in the body of either, whatever its
Content-Type says, or, for GET without a body, the query.
"""

from __future__ import annotations

from pathlib import Path

from asn1crypto import pem
from flask import Response
from werkzeug.exceptions import NotFound

from ..errors import Refused
from ..folder import ISSUING, REVOCATION_LIST, ROOT, ROOT_REVOCATION_LIST
from ..login.broker import Broker
from ..login.checks import Check, Checks
from ..sessions import session_key
from ..sessions.tickets import arrived
from . import replies, xml
from .request import BrokerRequest

_DTD = Path(__file__).with_name("gpOBJECT.dtd")


def activate(broker: Broker, asked: BrokerRequest) -> Response:
    """Give a challenge to sign."""
    message = asked.message()
    challenge, signature = broker.activate(message)
    return replies.xml(xml.activation(asked.base, message, challenge, signature))


def validate(broker: Broker, asked: BrokerRequest) -> Response:
    """Give a ticket and the roles for a signed challenge."""
    checks = asked.checks = Checks()
    with checks(Check.MESSAGE):
        message = asked.message()
    asked.note(uid=message.get("uid", ""))
    login = broker.validate(message, checks)
    asked.note(session=session_key(login.ticket)[:8])
    return replies.xml(xml.login(asked.base, message, login.person, login.ticket, broker.store.limits))


def log_out(broker: Broker, asked: BrokerRequest) -> Response:
    """End the session of a ticket."""
    asked.note(ended=broker.log_out(_ticket(asked)))
    return replies.status("OK")


def keep_alive(broker: Broker, asked: BrokerRequest) -> Response:
    """Take a sign of life from the owner of a ticket."""
    session, _ = broker.session(_ticket(asked))
    asked.note(uid=session.uid)
    return replies.status("OK")


def select_role(broker: Broker, asked: BrokerRequest) -> Response:
    """Choose one of the roles for the session."""
    query = asked.args
    role_id = query.get("selectedRoleUid", "")
    session = broker.select_role(_ticket(asked), role_id, query.get("ssbMode", "0"))
    asked.note(uid=session.uid, role=role_id)
    return replies.status("OK")


def assert_role(broker: Broker, asked: BrokerRequest) -> Response:
    """Give a SAML 1.1 response; without a live session one that is no success."""
    now, address = broker.clock(), asked.remote_addr or ""
    ticket = _ticket(asked)
    try:
        session, person = broker.session(ticket)
    except Refused as exc:
        asked.note(reason=exc.reason)
        reply = replies.xml(xml.no_assertion(address, exc.words, now))
        reply.headers[replies.REASON_HEADER] = exc.reason
        return reply
    asked.note(uid=session.uid)
    ids = _saml_id(broker), _saml_id(broker)
    asker = xml.Asker(asked.base, address, ticket)
    return replies.xml(xml.role_assertion(asker, ids, session, person, now))


def dtd(_: Broker, __: BrokerRequest) -> Response:
    """Serve the DTD that replies refer to."""
    return Response(_DTD.read_bytes(), mimetype="application/xml-dtd")


def error_page(_: Broker, __: BrokerRequest) -> Response:
    """The page that error_url of replies leads to."""
    return replies.plain("The sign-in did not succeed.")


def healthz(_: Broker, __: BrokerRequest) -> Response:
    """Say that the broker answers."""
    return replies.plain("ok")


def revocation_list(broker: Broker, _: BrokerRequest) -> Response:
    """The issuing CA's list as it is now: revoked cards."""
    return _der_of(broker.config.data / REVOCATION_LIST)


def root_revocation_list(broker: Broker, _: BrokerRequest) -> Response:
    """The root's list as it is now: revoked authorities."""
    path = broker.config.data / ROOT_REVOCATION_LIST
    if not path.exists():
        raise NotFound
    return _der_of(path)


def root_certificate(broker: Broker, _: BrokerRequest) -> Response:
    """The root, PEM: what clients must trust."""
    return Response((broker.config.data / ROOT).read_bytes(), content_type="application/x-pem-file")


def issuing_certificate(broker: Broker, _: BrokerRequest) -> Response:
    """The CA that issues the cards' certificates, PEM."""
    return Response((broker.config.data / ISSUING).read_bytes(), content_type="application/x-pem-file")


def _der_of(path: Path) -> Response:
    """A revocation list, DER (RFC 5280; media type of RFC 2585)."""
    *_, der = pem.unarmor(path.read_bytes())
    return Response(der, content_type="application/pkix-crl")


def _ticket(asked: BrokerRequest) -> str:
    """The ticket. A short name for its session is noted, also of a damaged one: it itself is never written anywhere."""
    ticket = asked.ticket()
    if ticket:
        asked.note(session=session_key(arrived(ticket).sent)[:8])
    return ticket


def _saml_id(broker: Broker) -> str:
    return "_" + broker.random(16).hex()
