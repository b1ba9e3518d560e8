"""Between Flask and the views: the request's body, its fault, and its entry in the record."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, Response, g, request

from . import gpobject, replies, views
from .broker import Broker
from .checks import Checks
from .errors import BrokerError
from .faults import Call, Traits
from .record import Exchange
from .redact import redact, redact_parameter, redact_reply, redact_text
from .sessions import session_key
from .stub import Stub
from .unattended import ENVIRON_KEY, later

CONTROLS = "/stub/"
"""What begins so is the stub's own, and is neither recorded nor faulted."""
_KEPT_REPLY = 32 * 1024
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

View = Callable[[Broker], Response]


def install(app: Flask, stub: Stub) -> None:
    """Make the application record its requests."""

    def begin() -> None:
        g.number = stub.record.next_number()
        g.begun = time.perf_counter()

    def end(reply: Response) -> Response:
        if not request.path.startswith(CONTROLS):
            stub.record.add(_exchange(stub, reply))
        return reply

    app.before_request(begin)
    app.after_request(end)


def serve(view: View, stub: Stub) -> Response:
    """Answer a request of the login protocol: with a fault when one is set, else as the view does."""
    views.read_body(stub.broker.config.max_body)
    endpoint = _endpoint()
    setting = stub.faults.take(endpoint, lambda: _traits(stub))
    broker = _broker(stub)
    if setting is None:
        return view(broker)
    g.fault = f"{setting.name} {setting.value}".strip()
    call = Call(endpoint, broker, replies.base_url(), view, replies.refusal, lambda: _end_session(stub))
    reply = setting.fault(call)
    if call.keep_broker and "session_key" in g:
        stub.keep_broker(g.session_key, call.broker)
    if call.delivery:
        connection = request.environ.get(ENVIRON_KEY)
        if connection is None:
            return replies.plain(f"The fault {setting.name} needs the broker's own web server", 501)
        connection.withhold(later(call.delivery))
    return reply


def _broker(stub: Stub) -> Broker:
    if not stub.has_changed_brokers:
        return stub.broker
    ticket = _ticket(stub)
    return stub.broker_for(session_key(ticket)) if ticket else stub.broker


def _end_session(stub: Stub) -> None:
    ticket = _ticket(stub)
    if ticket:
        stub.broker.store.close(session_key(ticket))


def _ticket(stub: Stub) -> str:
    try:
        return views.read_ticket(stub.broker)
    except BrokerError:
        return ""


def _traits(stub: Stub) -> Traits:
    message = _message()
    ticket = _ticket(stub)
    uid = message.get("uid") or (stub.record.uid_of(session_key(ticket)[:8]) if ticket else "")
    exact = (request.remote_addr or "", uid, message.get("log_session_id", ""))
    names = (request.headers.get("User-Agent", ""), message.get("device_id", ""))
    return Traits([text for text in exact if text], [text for text in names if text])


def _message() -> gpobject.Message:
    """The parameters of this request, or none when they cannot be read."""
    if "message" not in g:
        try:
            g.message = gpobject.parse(g.body) if g.get("body") else dict(request.args.items())
        except BrokerError:
            g.message = {}
    message: gpobject.Message = g.message
    return message


def _endpoint() -> str:
    return request.path.rpartition("/")[2]


def _exchange(stub: Stub, reply: Response) -> Exchange:
    # The objects behind Flask's proxies: asking those is slow, and this is done for each request.
    asked, known = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]
    noted = known.get("noted", {})
    checks: Checks | None = known.get("checks")
    message = {name: redact_parameter(name, value) for name, value in _message().items()}
    return Exchange(
        number=known.number,
        time=stub.broker.clock(),
        endpoint=_endpoint(),
        method=asked.method,
        path=asked.path,
        query=redact(asked.query_string).decode("latin-1"),
        client=asked.remote_addr or "",
        headers={name: redact_text(asked.environ[key]) for name, key in _HEADERS.items() if key in asked.environ},
        body=redact(known.get("body", b"")),
        message=message,
        status=reply.status_code,
        reply_type=reply.headers.get("Content-Type", ""),
        reply=redact_reply(reply.get_data())[:_KEPT_REPLY] if reply.is_sequence else b"",
        reply_size=reply.calculate_content_length(),
        milliseconds=(time.perf_counter() - known.begun) * 1000,
        uid=str(noted.get("uid") or message.get("uid", "")),
        session=str(noted.get("session", "")),
        reason=str(noted.get("reason", "")),
        detail=str(noted.get("detail", "")),
        fault=known.get("fault", ""),
        checks=tuple(checks.results) if checks else (),
    )
