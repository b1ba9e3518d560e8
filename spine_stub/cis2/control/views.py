"""The control API's answers: JSON of what there is and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Response, jsonify, request

from ...web.request import json_object
from ..clients.registry import Client
from ..identity.sessions import Session
from ..journal import Step
from ..pending import Arranged
from ..provider import Provider
from . import actions
from .fields import Fields

_SECONDS = 10.0
"""How long the answers of applications are waited for; each has less."""
_SECRETS = ("secret", "key", "jwks")


def sign_in(provider: Provider) -> Response:
    """Arrange a sign-in."""
    asked = _body("uid", "role", "mechanism", "aal", "client", "standing")
    arranged = actions.arrange(
        provider, asked.text("uid"), role=asked.text("role"), mechanism=asked.text("mechanism"),
        aal=asked.number("aal", 3, 1, 3), client=asked.text("client"), standing=asked.flag("standing"),
    )  # fmt: skip
    return jsonify(arranged=_arranged(arranged))


def clear_sign_in(provider: Provider) -> Response:
    """Take back what is arranged."""
    return jsonify(cleared=actions.take_back(provider, _body("client").text("client")))


def card_out(provider: Provider) -> Response:
    """Pull a card."""
    asked = _body("uid", "sid")
    ended = actions.card_out(provider, asked.text("uid"), asked.text("sid"))
    return jsonify(ended=[_session(provider, session) for session in ended])


def clock(provider: Provider) -> Response:
    """Say what time it is for CIS2, and set that first where the body says so."""
    asked = _body("now", "forward") if request.method == "POST" else None
    if asked:
        now = asked.time("now") if "now" in asked else None
        actions.set_clock(provider, now=now, forward=asked.duration("forward"))
    return jsonify(now=provider.clock().isoformat())


def reset(provider: Provider) -> Response:
    """Begin again."""
    _body()
    provider.stub.clear()
    return jsonify(reset=True)


def clients(provider: Provider) -> Response:
    """The applications that are registered, without their secrets."""
    return jsonify(clients=[_client(client) for client in provider.clients.all()])


def register(provider: Provider) -> Response:
    """Register one; the answer alone has its secret."""
    client = actions.register(provider, json_object(request))
    return jsonify(client={**_client(client), **({"secret": client.secret} if client.secret else {})})


def sessions(provider: Provider) -> Response:
    """Who is signed in."""
    return jsonify(sessions=[_session(provider, session) for session in actions.signed_in(provider)])


def logouts(provider: Provider) -> Response:
    """What applications were told of sessions that are over, once no application is waited for any more."""
    provider.outbox.wait(_SECONDS)
    found = provider.outbox.logouts(request.args.get("client", ""))
    return jsonify(logouts=[{**asdict(logout), "time": logout.time.isoformat()} for logout in found])


def steps(provider: Provider) -> Response:
    """What applications asked, oldest first."""
    found = provider.journal.steps(request.args.get("client", ""), request.args.get("sign_in", ""))
    return jsonify(steps=[_step(step) for step in found])


def _body(*known: str) -> Fields:
    return Fields(json_object(request), known)


def _arranged(arranged: Arranged) -> dict[str, object]:
    return {
        "uid": arranged.uid,
        "role": arranged.role_id or None,
        "mechanism": arranged.mechanism,
        "aal": arranged.aal,
        "client": arranged.client_id or None,
        "standing": arranged.is_standing,
    }


def _session(provider: Provider, session: Session) -> dict[str, object]:
    how = session.authentication
    return {
        "sid": session.sid,
        "uid": session.uid,
        "mechanism": how.mechanism,
        "aal": how.aal,
        "auth_time": how.time.isoformat(),
        "opened": session.opened.isoformat(),
        "ends": provider.sessions.end_of(session).isoformat(),
        "with_ticket": bool(session.ticket_key),
        "clients": dict(session.clients),
        "roles": dict(session.roles),
    }


def _client(client: Client) -> dict[str, object]:
    shown = {name: value for name, value in asdict(client).items() if name not in _SECRETS and value not in ("", ())}
    return {**shown, "auth_methods": client.auth_methods}


def _step(step: Step) -> Mapping[str, Any]:
    return {**asdict(step), "time": step.time.isoformat()}
