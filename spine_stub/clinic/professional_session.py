"""Signs programs in as the NHS e-Referral Service does: a professional session for a ticket.

    POST   /ers-api/v1/ProfessionalSession   header XAPI_ASID; {"typeInfo": ..., "token": TICKET}
                                             201: the session's id, the user, and the permissions to choose from
    PUT    the same, with header HTTP_X_SESSION_KEY: the id, and "permission": one of them: it is chosen, 200
    DELETE the same, with that header: it ends, 204

As developer.nhs.uk describes it for version 1 of the e-RS API, "A001: Professional Session" and
"A002: Professional Session Select Role", where the id may also follow the path. One thing differs: the real
service says the token again in its replies, and this one does not.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

from flask import Request, Response, jsonify

from .assertion import Broker, BrokerAway, Holder, NotSignedIn, Role
from .guard import json_object
from .tasks import CLINICAL_PRACTITIONER, NURSE, SUPPORT

TYPE = "uk.nhs.ers.xapi.dto.v1.session.ProfessionalSession"
PATH = "/ers-api/v1/ProfessionalSession"
HEADERS = ("xapi_asid", "http_x_session_key")
"""Header names with an underscore, which a web server passes on only when it is told to."""
_FUNCTIONS = {
    CLINICAL_PRACTITIONER: "REFERRING_CLINICIAN",
    NURSE: "REFERRING_CLINICIAN",
    SUPPORT: "REFERRING_CLINICIAN_ADMIN",
}
_MOST = 1000

Permission = dict[str, str]


@dataclass
class Session:
    """One program's session, and the permission that it has chosen."""

    id: str
    ticket: str = field(repr=False)
    permission: Permission | None = None


class ProfessionalSessions:
    """The sessions of programs, in memory only. Any thread may call."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def answer(self, asked: Request) -> Response:
        """Answer a request to PATH."""
        if not _header(asked, "XAPI-ASID"):
            return _refusal(403, "ACCESS_DENIED", "the header XAPI_ASID is missing")
        try:
            return {"POST": self._create, "PUT": self._choose, "DELETE": self._end}[asked.method](asked)
        except NotSignedIn:
            return _refusal(401, "INVALID_SESSION", "the broker knows no live session with this token")
        except BrokerAway:
            return _refusal(503, "SERVICE_UNAVAILABLE", "the broker cannot be asked")

    def _create(self, asked: Request) -> Response:
        ticket = json_object(asked).get("token")
        if not isinstance(ticket, str) or not ticket.strip():
            return _refusal(422, "INVALID_VALUE", "the token is missing")
        holder = self._broker.holder(ticket.strip())
        session = Session(f"pro-xapi-session_{uuid.uuid4()}", ticket.strip())
        with self._lock:
            while len(self._sessions) >= _MOST:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session.id] = session
        return _reply(session, holder, 201)

    def _choose(self, asked: Request) -> Response:
        session, body = self._session(asked), json_object(asked)
        holder = self._broker.holder(session.ticket)
        if body.get("token") not in (None, session.ticket):
            return _refusal(422, "INVALID_VALUE", "this is another session's token")
        if body.get("permission") not in permissions(holder):
            return _refusal(422, "INVALID_VALUE", "the permission is none of those that there are")
        session.permission = body["permission"]
        return _reply(session, holder, 200)

    def _end(self, asked: Request) -> Response:
        session = self._session(asked)
        with self._lock:
            self._sessions.pop(session.id, None)
        return Response(status=204)

    def _session(self, asked: Request) -> Session:
        """Return the session whose key a request names; raises NotSignedIn."""
        with self._lock:
            found = self._sessions.get(_header(asked, "HTTP-X-SESSION-KEY"))
        if found is None:
            raise NotSignedIn
        return found


def permissions(holder: Holder) -> list[Permission]:
    """What somebody can choose to be: one for each role that this service has a use for."""
    return [
        {"businessFunction": function, "orgIdentifier": role.organisation_code, "orgName": role.organisation}
        for role in holder.roles
        if (function := _function(role))
    ]


def _function(role: Role) -> str:
    return _FUNCTIONS.get(role.code.rpartition(":")[2], "")


def _header(asked: Request, name: str) -> str:
    return asked.headers.get(name, "")


def _reply(session: Session, holder: Holder, status: int) -> Response:
    first, _, last = holder.name.rpartition(" ")
    user = {
        "identifier": holder.uid,
        "firstName": first,
        "lastName": last,
        "middleName": None,
        "permissions": permissions(holder),
    }
    content = {"typeInfo": TYPE, "id": session.id, "user": user, "permission": session.permission}
    reply = jsonify(content)
    reply.status_code = status
    return reply


def _refusal(status: int, code: str, says: str) -> Response:
    reply = jsonify({"issues": [{"code": code, "details": says}]})
    reply.status_code = status
    return reply
