"""The timeline of sign-ins, and the stream of events that keeps an open one up to date."""

from __future__ import annotations

from flask import Flask, Response, render_template, request

from ..explain.events import event
from ..explain.record import SignIn
from ..stub import Stub
from ..web import replies

_SERVICE_UNAVAILABLE = 503
_SHOWN = 100


def page(stub: Stub) -> str:
    """The sign-ins, newest first."""
    sign_ins = stub.record.sign_ins()[:_SHOWN]
    seen = max((sign_in.last.number for sign_in in sign_ins), default=0)
    return render_template("timeline.html", sign_ins=sign_ins, seen=seen)


def events(stub: Stub) -> Response:
    """The stream: first what a page does not show yet, then what happens."""
    try:
        listener = stub.events.subscribe()
    except OverflowError as exc:
        return replies.plain(str(exc), _SERVICE_UNAVAILABLE)
    seen = request.args.get("after", 0, type=int)
    missed = [sign_in for sign_in in stub.record.sign_ins()[:_SHOWN] if sign_in.last.number > seen]
    for sign_in in reversed(missed):
        listener.put(event("sign-in", _row(sign_in)))
    return Response(listener, content_type="text/event-stream", direct_passthrough=True)


def publish(app: Flask, stub: Stub, number: int) -> None:
    """Tell the open timelines of a sign-in that has begun or gone on."""
    sign_in = stub.record.sign_in(number) if stub.events.count else None
    if sign_in:
        with app.app_context():
            stub.events.publish("sign-in", _row(sign_in))


def _row(sign_in: SignIn) -> str:
    return render_template("_sign_in_row.html", sign_in=sign_in)
