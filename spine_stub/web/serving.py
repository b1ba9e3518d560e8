"""Around the views: the request's body, its fault, its refusal, and its entry in record and log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from werkzeug.exceptions import MethodNotAllowed

from ..errors import BrokerError
from ..explain.record import Exchange
from ..explain.redact import redact, redact_headers, redact_message, redact_reply
from ..faults import Call, Traits
from ..login.broker import Broker
from ..login.gpobject import Message
from ..sessions import session_key
from ..stub import Stub
from . import replies, request_log
from .background import ENVIRON_KEY, later
from .request import AsciiRequest, Visit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTROLS = "/stub/"
"""What begins so is the stub's own, and is neither recorded nor faulted."""
_KEPT_REPLY = 32 * 1024
_NOT_KEPT = b"(not kept: there is a ticket in it, written so that it cannot be cut short)"
_HEADERS = {
    "User-Agent": "HTTP_USER_AGENT",
    "Content-Type": "CONTENT_TYPE",
    "Content-Length": "CONTENT_LENGTH",
    "Host": "HTTP_HOST",
    "Analytics": "HTTP_ANALYTICS",
    "Cookie": "HTTP_COOKIE",
    "Accept": "HTTP_ACCEPT",
}
"""The headers that are kept, and where WSGI has them."""

View = Callable[[Broker, Visit], Response]
Route = tuple[str, tuple[str, ...], View]
"""A path, the methods that it takes, and what answers them."""


class Protocol:
    """The WSGI application of the login protocol, in front of Flask's, which is for all other addresses.

    A sign-in asks for nothing that Flask's contexts, hooks and patterns of addresses do, and they
    would take a good part of its time.
    """

    def __init__(self, stub: Stub, routes: Iterable[Route], otherwise: WSGIApplication) -> None:
        self._stub = stub
        self._routes = {path: (methods, view) for path, methods, view in routes}
        self._otherwise = otherwise

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request: PEP 3333."""
        route = self._routes.get(environ.get("PATH_INFO", ""))
        if route is None:
            return self._otherwise(environ, start_response)
        visit = Visit(AsciiRequest(environ), self._stub.record.next_number())
        reply = _answer(visit, self._stub, *route)
        _keep(visit, self._stub, reply)
        return _send(reply, environ, start_response)


def install(app: Flask, stub: Stub) -> None:
    """Do the same for what Flask answers: the console, and addresses that are not there."""

    def begin() -> None:
        visit = g.visit = Visit(request._get_current_object(), stub.record.next_number())  # type: ignore[attr-defined]
        replies.check_host(visit)

    def end(reply: Response) -> Response:
        _keep(Visit.current(), stub, reply)
        reply.headers.extend(replies.HEADERS)
        return reply

    app.before_request(begin)
    app.after_request(end)
    app.register_error_handler(Exception, lambda exc: replies.failure(Visit.current(), exc))


def _send(reply: Response, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give a reply to the web server; one that is already whole needs nothing of what Werkzeug then does."""
    if environ["REQUEST_METHOD"] == "HEAD" or "Content-Length" not in reply.headers:
        reply.headers.extend(replies.HEADERS)
        return reply(environ, start_response)
    start_response(reply.status, [*reply.headers, *replies.HEADERS])
    return reply.iter_encoded()


def _keep(visit: Visit, stub: Stub, reply: Response) -> None:
    """Note a request with its reply in the record and in the log."""
    if not visit.path.startswith(CONTROLS):
        stub.record.add(_exchange(visit, stub, reply))
    request_log.write(visit, reply)


def _answer(visit: Visit, stub: Stub, methods: tuple[str, ...], view: View) -> Response:
    try:
        replies.check_host(visit)
        method = visit.request.method
        if ("GET" if method == "HEAD" else method) not in methods:
            raise MethodNotAllowed(methods)
        return _serve(view, stub, visit)
    except Exception as exc:
        return replies.failure(visit, exc)


def _serve(view: View, stub: Stub, visit: Visit) -> Response:
    """Answer a request of the login protocol: with a fault when one is set, else as the view does."""
    visit.read_body(stub.broker.config.max_body)
    setting = stub.faults.take(visit.endpoint, lambda: _traits(visit, stub))
    broker = _broker(visit, stub)
    if setting is None:
        return view(broker, visit)
    visit.fault = f"{setting.name} {setting.value}".strip()
    call = Call(
        endpoint=visit.endpoint,
        broker=broker,
        base=visit.base,
        answer=lambda broker: view(broker, visit),
        refusal=partial(replies.refusal, visit),
        end_session=lambda: _end_session(visit, stub),
    )
    reply = setting.fault(call)
    if call.keep_broker and visit.session_key:
        stub.keep_broker(visit.session_key, call.broker)
    if call.delivery:
        connection = visit.request.environ.get(ENVIRON_KEY)
        if connection is None:
            return replies.plain(f"The fault {setting.name} needs the broker's own web server", 501)
        connection.withhold(later(call.delivery))
    return reply


def _broker(visit: Visit, stub: Stub) -> Broker:
    if not stub.has_changed_brokers:
        return stub.broker
    ticket = _ticket(visit)
    return stub.broker_for(session_key(ticket)) if ticket else stub.broker


def _end_session(visit: Visit, stub: Stub) -> None:
    ticket = _ticket(visit)
    if ticket:
        stub.broker.store.close(session_key(ticket))


def _ticket(visit: Visit) -> str:
    try:
        return visit.ticket()
    except BrokerError:
        return ""


def _traits(visit: Visit, stub: Stub) -> Traits:
    message = visit.known_message()
    ticket = _ticket(visit)
    uid = message.get("uid") or (stub.record.uid_of(session_key(ticket)[:8]) if ticket else "")
    exact = (visit.request.remote_addr or "", uid, message.get("log_session_id", ""))
    names = (visit.request.headers.get("User-Agent", ""), message.get("device_id", ""))
    return Traits([text for text in exact if text], [text for text in names if text])


def _exchange(visit: Visit, stub: Stub, reply: Response) -> Exchange:
    asked, noted = visit.request, visit.noted
    environ = asked.environ
    message = redact_message(visit.known_message())
    content = reply.get_data() if reply.is_sequence else None
    return Exchange(
        number=visit.number,
        time=stub.broker.clock(),
        endpoint=visit.endpoint,
        method=asked.method,
        path=visit.path,
        query=redact(asked.query_string).decode("latin-1"),
        client=asked.remote_addr or "",
        headers=redact_headers({name: environ[key] for name, key in _HEADERS.items() if key in environ}),
        body=_body(visit, message),
        message=message,
        status=reply.status_code,
        reply_type=reply.headers.get("Content-Type", ""),
        reply=redact_reply(content or b"")[:_KEPT_REPLY],
        reply_size=None if content is None else len(content),
        milliseconds=visit.milliseconds(),
        uid=str(noted.get("uid") or message.get("uid", "")),
        session=str(noted.get("session", "")),
        reason=str(noted.get("reason", "")),
        detail=str(noted.get("detail", "")),
        fault=visit.fault,
        checks=tuple(visit.checks.results) if visit.checks else (),
    )


def _body(visit: Visit, message: Message) -> bytes:
    """The body as it may be kept, of a request with this redacted message."""
    body = redact(visit.body)
    # What was found in the message and not in the body is there in UTF-16, or as &#65; and the like.
    hides = visit.body and message != visit.known_message() and (body is visit.body or b"&#" in body)
    return _NOT_KEPT if hides else body
