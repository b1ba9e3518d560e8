"""The stub's own pages and its JSON API, under /stub/: for the people who test, not for clients.

Every route is in one of the two tables below, or in that of CIS2's control API (cis2/control/commands.py). Pages
change things by forms that POST, the API by POST of JSON; guard.py keeps strangers and other sites' pages out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, Flask, Response, request

from ..cis2 import NOT_SERVED
from ..cis2.control.commands import COMMANDS, PATH
from ..cis2.provider import Provider as Cis2
from ..errors import DataError, Unavailable
from ..stub import Stub
from ..web import replies
from . import api, bearer, guard, openid_pages, pages, people_pages, timeline

View = Callable[..., "Response | str"]

PAGES: tuple[tuple[str, str, View], ...] = (
    ("/stub/", "GET", timeline.page),
    ("/stub/events", "GET", timeline.events),
    ("/stub/sign-in/<int:number>", "GET", pages.sign_in),
    ("/stub/cis2/report/<client_id>", "GET", pages.conformance),
    ("/stub/cis2/sign-in/<sign_in_id>", "GET", openid_pages.sign_in),
    ("/stub/people", "GET", people_pages.people),
    ("/stub/people/add", "POST", people_pages.add),
    ("/stub/people/<uid>", "GET", people_pages.person),
    ("/stub/people/<uid>/<name>", "POST", people_pages.change),
    ("/stub/sessions", "GET", pages.sessions),
    ("/stub/sessions/end", "POST", pages.end_session),
    ("/stub/cis2/card-out", "POST", pages.pull_card),
    ("/stub/faults", "GET", pages.faults),
    ("/stub/faults/set", "POST", pages.set_fault),
    ("/stub/faults/clear", "POST", pages.clear_faults),
    ("/stub/faults/authority", "POST", pages.set_authority),
    ("/stub/settings", "GET", pages.settings),
)

API: tuple[tuple[str, str, View], ...] = (
    ("/stub/api/faults", "GET", api.faults),
    ("/stub/api/faults", "POST", api.set_fault),
    ("/stub/api/faults/clear", "POST", api.clear_faults),
    ("/stub/api/requests", "GET", api.requests),
    ("/stub/api/sign-ins", "GET", api.sign_ins),
    ("/stub/api/sign-ins/<int:number>", "GET", api.sign_in),
    ("/stub/api/sessions", "GET", api.sessions),
    ("/stub/api/sessions/end", "POST", api.end_session),
)


def _of_cis2(view: Callable[[Cis2], Response], stub: Stub) -> Response:
    """Answer a command of CIS2's control API; raises DataError where CIS2 is not served."""
    if stub.cis2 is None:
        raise DataError(NOT_SERVED)
    return view(stub.cis2)


def _away(exc: Unavailable) -> Response:
    """Say on a page, or in JSON, that the store or the directory does not answer."""
    reply = replies.failure(exc)
    words = f"The {exc.reason.removesuffix('-unavailable')} does not answer: {exc.detail}."
    if request.path.startswith(guard.API):
        return api.error(words, reply.status_code)
    return pages.notice("Not now", words, reply.status_code)


def _wrong(exc: DataError) -> Response:
    """Say what was wrong with what somebody asked for."""
    if request.path.startswith(guard.API):
        return api.error(str(exc))
    return pages.notice("Not done", str(exc), pages.BAD_REQUEST)


def install(app: Flask, stub: Stub) -> None:
    """Give the application the console; raises DataError."""
    console = Blueprint(
        "console", __name__, template_folder="templates", static_folder="static", static_url_path="/stub/static"
    )
    console.before_request(partial(guard.check, bearer.read_token(stub.broker.config.control_token)))
    console.after_request(guard.protect)
    console.register_error_handler(Unavailable, _away)
    console.register_error_handler(DataError, _wrong)
    app.jinja_env.globals["stub"] = stub
    app.jinja_env.filters["hex_bytes"] = pages.hex_bytes
    stub.record.listener = partial(timeline.publish, app, stub)
    if stub.cis2:
        stub.cis2.journal.listener = partial(timeline.publish_step, app, stub)
    for rule, method, view in PAGES + API:
        name = f"{view.__module__}.{view.__name__}".replace(".", "_")
        console.add_url_rule(rule, name, partial(view, stub), methods=[method])
    for each in COMMANDS:
        name = f"cis2_{each.method}_{each.path}".replace("/", "_")
        console.add_url_rule(PATH + each.path, name, partial(_of_cis2, each.view, stub), methods=[each.method])
    app.register_blueprint(console)
