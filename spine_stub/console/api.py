"""The JSON API: what the pages show and do, for programs in any language.

    GET  /stub/api/faults                 what is set, and which kinds there are
    POST /stub/api/faults                 {"fault": "delay", "value": 2, "endpoint": "authvalidate", "times": 1}
    POST /stub/api/faults/clear           {"number": 3}, or {} for all
    GET  /stub/api/requests               ?after=N and ?endpoint=authvalidate
    GET  /stub/api/sign-ins               and /stub/api/sign-ins/N, with every check
    GET  /stub/api/sessions
    POST /stub/api/sessions/end           {"session": "the first characters of its key"}

A wrong request is 400 with {"error": "one sentence"}. Programs elsewhere need a token: bearer.py.
"""

from __future__ import annotations

from flask import Response, jsonify, request

from ..explain.explanation import Explanation, explain
from ..explain.record import Exchange, SignIn
from ..faults import Setting
from ..stub import Stub
from ..web.request import json_object
from . import actions

_BAD_REQUEST = 400
_NOT_FOUND = 404


def faults(stub: Stub) -> Response:
    """What is set now, and what can be."""
    names = ("title", "value", "default", "endpoint")
    offered = [{"fault": kind.name, **{name: getattr(kind, name) for name in names}} for kind in stub.faults.kinds]
    return jsonify(faults=[_setting(setting) for setting in stub.faults.settings()], kinds=offered)


def set_fault(stub: Stub) -> Response:
    """Set a fault."""
    return jsonify(faults=[_setting(setting) for setting in actions.set_fault(stub, json_object(request))])


def clear_faults(stub: Stub) -> Response:
    """Clear one fault or all."""
    return jsonify(cleared=actions.clear_faults(stub, json_object(request)))


def requests(stub: Stub) -> Response:
    """The requests that are kept, oldest first."""
    after = request.args.get("after", 0, type=int)
    found = stub.record.exchanges(request.args.get("endpoint"), after)
    return jsonify(requests=[_exchange(exchange) for exchange in found])


def sign_ins(stub: Stub) -> Response:
    """The sign-ins that are kept, newest first."""
    return jsonify(sign_ins=[_sign_in(sign_in) for sign_in in stub.record.sign_ins()])


def sign_in(stub: Stub, number: int) -> Response:
    """One sign-in with everything that can be said of it."""
    found = stub.record.sign_in(number)
    if found is None:
        return error(f"sign-in {number} is not kept any more", _NOT_FOUND)
    explanation = explain(stub.broker, found)
    return jsonify(
        **_sign_in(found),
        requests=[_exchange(exchange) for exchange in found.exchanges],
        explanation=_explanation(explanation) if explanation else None,
    )


def sessions(stub: Stub) -> Response:
    """The live sessions, newest first."""
    found = actions.sessions(stub)
    return jsonify(
        sessions=[
            {"session": key, "uid": session.uid, "opened": session.opened.isoformat(), "role": session.role_id}
            for key, session in found.items()
        ]
    )


def end_session(stub: Stub) -> Response:
    """End a session."""
    return jsonify(ended=actions.end_session(stub, json_object(request)))


def error(sentence: str, code: int = _BAD_REQUEST) -> Response:
    """Say what is wrong."""
    reply = jsonify(error=sentence)
    reply.status_code = code
    return reply


def _setting(setting: Setting) -> dict[str, object]:
    names = ("number", "value", "endpoint", "client", "standing")
    return {"fault": setting.name, **{name: getattr(setting, name) for name in names}}


def _exchange(exchange: Exchange) -> dict[str, object]:
    names = ("number", "endpoint", "method", "path", "client", "status", "uid", "reason", "detail", "fault")
    return {
        **{name: getattr(exchange, name) for name in names},
        "time": exchange.time.isoformat(),
        "outcome": exchange.outcome,
        "milliseconds": round(exchange.milliseconds, 1),
        "headers": dict(exchange.headers),
        "query": dict(exchange.query),
        "message": dict(exchange.message),
        "body_size": exchange.body_size,
        "checks": [
            {"check": result.check.name, "passed": result.passed, "reason": result.reason} for result in exchange.checks
        ],
    }


def _sign_in(sign_in: SignIn) -> dict[str, object]:
    names = ("number", "uid", "cn", "outcome")
    return {"begun": sign_in.begun.isoformat(), **{name: getattr(sign_in, name) for name in names}}


def _explanation(explanation: Explanation) -> dict[str, object]:
    return {
        "problems": explanation.problems,
        "checks": [
            {"check": step.check.name, "says": step.check.value, "state": step.state} for step in explanation.steps
        ],
        "compared": [
            {
                "title": item.title,
                "expected": item.expected.hex(),
                "received": item.received.hex() if item.received is not None else None,
                "state": item.state,
                "note": item.note,
            }
            for item in explanation.compared
        ],
        "cms": explanation.tree.outline() if explanation.tree else None,
    }
