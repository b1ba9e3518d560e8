"""The application's pages: sign in with a ticket, see who you are, do what the role allows.

The page gets the ticket from the agent and POSTs it once; from then on the browser has a cookie that names
a visit, and the ticket stays here. Each request asks the broker again whose the ticket is, so that card out
ends the visit at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, NotFound

from ..config import BRIDGE_PORT
from ..web.replies import asset
from .assertion import Broker, BrokerAway, Holder, NotSignedIn
from .guard import json_object, problem, protect
from .professional_session import PATH as PROFESSIONAL_SESSION
from .professional_session import ProfessionalSessions
from .tasks import TASKS, task
from .visits import Visits

_STATIC = Path(__file__).parent / "static"
_MOST_BYTES = 16 * 1024
_LONGEST_TICKET = 4096

Said = tuple[Response | str, int] | Response | str


@dataclass
class Clinic:
    """The application with what it remembers."""

    broker: Broker
    visits: Visits
    bridge: str
    """The bridge's origin."""

    def holder(self) -> Holder | None:
        """Return who asks, None for a stranger; raises NotSignedIn when a visit is over, and BrokerAway."""
        ticket = self.visits.ticket(request.cookies.get(_cookie_name(), ""))
        return self.broker.holder(ticket) if ticket else None


def create_clinic(broker: Broker, bridge_port: int = BRIDGE_PORT) -> Flask:
    """The WSGI application."""
    app = Flask("spine_stub.clinic", static_folder=None, root_path=str(Path(__file__).parent))
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    clinic = Clinic(broker, Visits(), f"http://127.0.0.1:{bridge_port}")
    app.before_request(_check)
    app.after_request(lambda reply: protect(reply, clinic.bridge))
    for wrong, answer in ((NotSignedIn, _over), (BrokerAway, _away)):
        app.register_error_handler(wrong, partial(answer, clinic))
    app.register_error_handler(HTTPException, _http_error)
    for rule, method, view in _ROUTES:
        app.add_url_rule(rule, view.__name__, partial(view, clinic), methods=[method])
    programs = ProfessionalSessions(broker)
    for rule in (PROFESSIONAL_SESSION, f"{PROFESSIONAL_SESSION}/<key>"):
        app.add_url_rule(rule, rule, lambda **_: programs.answer(request), methods=["POST", "PUT", "DELETE"])
    return app


def home(clinic: Clinic) -> Said:
    """Who you are and what your role allows, or the way in."""
    holder = clinic.holder()
    if holder is None:
        return render_template("signed_out.html", bridge=clinic.bridge)
    return render_template("home.html", holder=holder, tasks=TASKS)


def begin(clinic: Clinic) -> Said:
    """Sign in with the ticket that the page has from the agent; it is looked at before anything else is believed."""
    ticket = json_object(request).get("ticket")
    if not isinstance(ticket, str) or not 0 < len(ticket) <= _LONGEST_TICKET:
        return jsonify(state="refused"), 400
    try:
        clinic.broker.holder(ticket)
    except NotSignedIn:
        return jsonify(state="refused"), 403
    except BrokerAway:
        return jsonify(state="broker-away"), 503
    clinic.visits.end(request.cookies.get(_cookie_name(), ""))
    reply = jsonify(state="signed-in")
    reply.set_cookie(
        _cookie_name(), clinic.visits.begin(ticket), httponly=True, secure=request.is_secure, samesite="Strict"
    )
    return reply


def state(clinic: Clinic) -> Said:
    """Whether the visit goes on: a page asks when somebody comes back to it."""
    return jsonify(state="signed-in" if clinic.holder() else "signed-out")


def end(clinic: Clinic) -> Said:
    """Leave the application; the ticket and other applications go on."""
    return _forget(clinic, Response("", 303, {"Location": "/"}))


def do_task(clinic: Clinic, name: str) -> Said:
    """Do one task, if the role allows it."""
    chosen = task(name)
    if chosen is None:
        raise NotFound
    holder = clinic.holder()
    if holder is None:
        return Response("", 303, {"Location": "/"})
    if not chosen.is_for(holder.role):
        return render_template("not_allowed.html", holder=holder, task=chosen), 403
    return render_template("task.html", holder=holder, task=chosen)


def static(_: Clinic, name: str) -> Said:
    """The style sheets and the scripts."""
    return asset(name, _STATIC)


_ROUTES: tuple[tuple[str, str, Callable[..., Said]], ...] = (
    ("/", "GET", home),
    ("/session", "POST", begin),
    ("/session", "GET", state),
    ("/session/end", "POST", end),
    ("/tasks/<name>", "GET", do_task),
    ("/static/<name>", "GET", static),
)


def _cookie_name() -> str:
    """With the prefix no page of another port or name can set it, see RFC 6265bis, section 4.1.3."""
    return "__Host-visit" if request.is_secure else "visit"


def _check() -> Response | None:
    wrong = problem(request)
    return Response(f"Refused: {wrong}.\n", 403, content_type="text/plain; charset=UTF-8") if wrong else None


def _over(clinic: Clinic, _: NotSignedIn) -> Response:
    """Say that the visit is over; once a person has been told, it is forgotten."""
    if request.path == "/session":
        return make_response(jsonify(state="over"), 401)
    return _forget(clinic, make_response(render_template("over.html"), 401))


def _away(_: Clinic, __: BrokerAway) -> Response:
    """Say that nobody can be asked; the visit is kept, and shows nothing until somebody can."""
    return make_response(jsonify(state="away") if request.path == "/session" else render_template("away.html"), 503)


def _forget(clinic: Clinic, reply: Response) -> Response:
    clinic.visits.end(request.cookies.get(_cookie_name(), ""))
    reply.delete_cookie(_cookie_name(), httponly=True, secure=request.is_secure, samesite="Strict")
    return reply


def _http_error(exc: HTTPException) -> Response:
    return Response(f"{exc.name}\n", exc.code, content_type="text/plain; charset=UTF-8")
