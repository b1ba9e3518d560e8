"""The timeline of sign-ins, to the broker and by CIS2, and the stream of events that keeps an open one up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from flask import Flask, Response, render_template, request
from markupsafe import Markup

from ..cis2.journal import Step
from ..cis2.sign_ins import OpenIdSignIn, id_of, sign_in_of, sign_ins, state_of
from ..errors import Unavailable
from ..explain.events import event
from ..explain.record import SignIn
from ..stub import Stub
from ..web import replies

_SERVICE_UNAVAILABLE = 503
_SHOWN = 100
_SHORT = {
    "authorize": "Request",
    "page": "Page",
    "role": "Role",
    "code": "Code",
    "access_token": "Tokens",
    "userinfo": "Userinfo",
    "logout": "Logout token",
    "end_session": "Log out",
}
"""What a row calls the steps of a sign-in by CIS2."""


def page(stub: Stub) -> str:
    """The sign-ins, newest first."""
    later = missed(stub)
    found = sorted(_rows(stub), key=lambda row: row[0], reverse=True)[:_SHOWN]
    return render_template("timeline.html", rows=[html for _, html in found], missed=later)


def missed(stub: Stub) -> str:
    """What a page that is made now asks the stream for: what comes later."""
    seen = max((sign_in.last.number for sign_in in stub.record.sign_ins()), default=0)
    steps = stub.cis2.journal.steps() if stub.cis2 else []
    return f"after={seen}&step={steps[-1].number if steps else 0}"


def events(stub: Stub) -> Response:
    """The stream: first what a page does not show yet, then what happens."""
    try:
        listener = stub.events.subscribe()
    except OverflowError as exc:
        return replies.plain(str(exc), _SERVICE_UNAVAILABLE)
    seen, step = (request.args.get(name, 0, type=int) for name in ("after", "step"))
    late = sorted(_rows(stub, seen, step), key=lambda row: row[0], reverse=True)[:_SHOWN]
    for _, html in reversed(late):
        listener.put(event("sign-in", html))
    return Response(listener, content_type="text/event-stream", direct_passthrough=True)


def publish(app: Flask, stub: Stub, number: int) -> None:
    """Tell the open timelines of a sign-in to the broker that has begun or gone on."""
    sign_in = stub.record.sign_in(number) if stub.events.count else None
    if sign_in:
        with app.app_context():
            stub.events.publish("sign-in", _row(sign_in))


def publish_step(app: Flask, stub: Stub, step: Step) -> None:
    """Tell the open timelines of a sign-in by CIS2 that has begun or gone on."""
    if stub.cis2 is None or not stub.events.count or not id_of(step):
        return
    sign_in = sign_in_of(stub.cis2.journal.steps(), id_of(step))
    if sign_in:
        with app.app_context():
            stub.events.publish("sign-in", _openid_row(stub, sign_in))


def _rows(stub: Stub, seen: int = 0, step: int = 0) -> Iterator[tuple[datetime, Markup]]:
    """The rows of sign-ins with something after these two numbers, each with the time when it began."""
    for sign_in in stub.record.sign_ins()[:_SHOWN]:
        if sign_in.last.number > seen:
            yield sign_in.begun, _row(sign_in)
    for openid in sign_ins(stub.cis2.journal.steps())[:_SHOWN] if stub.cis2 else ():
        if openid.last.number > step:
            yield openid.begun, _openid_row(stub, openid)


def _row(sign_in: SignIn) -> Markup:
    return Markup(render_template("_sign_in_row.html", sign_in=sign_in))  # noqa: S704 - a template has escaped it


def name_of(stub: Stub, sign_in: OpenIdSignIn) -> str:
    """Who signed in by CIS2, by name where somebody of that uid is known, as far as the directory can say now."""
    person = None
    if stub.cis2 and sign_in.uid:
        with suppress(Unavailable):
            person = stub.cis2.person(sign_in.uid)
    return person.cn if person else sign_in.uid or "Somebody"


def _openid_row(stub: Stub, sign_in: OpenIdSignIn) -> Markup:
    name = name_of(stub, sign_in)
    html = render_template("_openid_row.html", sign_in=sign_in, name=name, short=_SHORT, state_of=state_of)
    return Markup(html)  # noqa: S704 - a template has escaped it
