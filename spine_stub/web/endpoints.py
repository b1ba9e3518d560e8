"""Every request's way through Flask: what is asked of it first, a fault or its view, record and log.

A view is a function (broker, request) -> reply and raises BrokerError; a fault gets the reply into
its hands before it is sent. Whatever is raised on the way becomes a reply in replies.failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from flask import Flask, Response
from werkzeug.exceptions import RequestEntityTooLarge

from ..explain.record import KEPT_REPLY, Exchange
from ..explain.redact import kept_headers, kept_parameters, kept_path, kept_reply
from ..faults import Call, Traits
from ..login.broker import Broker
from ..sessions import session_key
from ..sessions.endings import Ending
from ..stub import Stub
from . import log, replies
from .request import BrokerRequest, current
from .wsgi import DELIVERY

CONTROLS = "/stub/"
"""What begins so is the stub's own, and is neither recorded nor faulted."""

View = Callable[[Broker, BrokerRequest], Response]
Route = tuple[str, tuple[str, ...], View]
"""A path, the methods that it takes, and what answers them."""


def install(app: Flask, stub: Stub, routes: Iterable[Route]) -> None:
    """Give the application the endpoints of clients, and what surrounds every request."""
    app.request_class = BrokerRequest
    app.before_request(partial(_begin, stub))
    app.after_request(partial(_end, stub))
    app.register_error_handler(Exception, replies.failure)
    for path, methods, view in routes:
        answer = partial(_answer, stub, view)
        app.add_url_rule(path, view.__name__, answer, methods=methods, provide_automatic_options=False)


def _begin(stub: Stub) -> None:
    """Refuse what no view should see; raises HTTPException."""
    asked = current()
    asked.number = stub.record.next_number()
    asked.path_prefix = stub.broker.config.path_prefix
    if (asked.content_length or 0) > stub.broker.config.max_body:
        asked.leave_body()
        raise RequestEntityTooLarge
    replies.check_host(asked)


def _answer(stub: Stub, view: View) -> Response:
    """Answer a client: with a fault when one is set, else as the view does."""
    asked = current()
    setting = stub.faults.take(asked.step, lambda: _traits(stub, asked))
    if setting is None:
        return view(stub.broker, asked)
    asked.fault = f"{setting.name} {setting.value}".strip()
    call = Call(
        endpoint=asked.step,
        base=asked.base,
        answer=lambda: view(stub.broker, asked),
        refusal=replies.refusal,
        end_session=lambda: _end_session(stub, asked),
    )
    reply = setting.fault(call)
    if call.delivery:
        asked.environ[DELIVERY] = call.delivery
    return reply


def _end(stub: Stub, reply: Response) -> Response:
    """Note a request with its reply in the record and in the log."""
    asked = current()
    if not asked.path.startswith(CONTROLS):
        stub.record.add(_exchange(stub, asked, reply))
    log.write_request(asked, reply)
    reply.headers.extend(replies.HEADERS)
    return reply


def _end_session(stub: Stub, asked: BrokerRequest) -> None:
    ticket = asked.known_ticket()
    if ticket:
        stub.broker.endings.close(session_key(ticket), Ending.EXPIRED)


def _traits(stub: Stub, asked: BrokerRequest) -> Traits:
    message, ticket = asked.known_message(), asked.known_ticket()
    uid = message.get("uid") or (stub.record.uid_of(session_key(ticket)[:8]) if ticket else "")
    known = stub.cis2.traits(asked) if stub.cis2 else ()
    exact = (asked.remote_addr or "", uid, message.get("log_session_id", ""), *known)
    names = (asked.headers.get("User-Agent", ""), message.get("device_id", ""))
    return Traits([text for text in exact if text], [text for text in names if text])


def _exchange(stub: Stub, asked: BrokerRequest, reply: Response) -> Exchange:
    noted, query = asked.noted, kept_parameters({} if asked.holds_secrets else asked.args)
    message = query if asked.is_in_query or asked.holds_secrets else kept_parameters(asked.known_message())
    content = reply.get_data() if reply.is_sequence else None
    return Exchange(
        number=asked.number,
        time=stub.broker.clock(),
        endpoint=asked.step if asked.url_rule else "",
        method=asked.method,
        path=kept_path(asked.path),
        client=asked.remote_addr or "",
        query=query,
        headers=kept_headers(asked.headers),
        message=message,
        body_size=asked.content_length or 0,
        status=reply.status_code,
        reply_type=reply.headers.get("Content-Type", ""),
        reply=kept_reply(b"" if asked.holds_secrets else content or b"", KEPT_REPLY),
        reply_size=None if content is None else len(content),
        milliseconds=asked.milliseconds,
        uid=str(noted.get("uid") or message.get("uid", "")),
        session=str(noted.get("session", "")),
        reason=str(noted.get("reason", "")),
        detail=str(noted.get("detail", "")),
        fault=asked.fault,
        checks=tuple(asked.checks.results) if asked.checks else (),
    )
