"""Wrong ways back to the application: an error in place of a code, and another state."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Response, request

from ...faults import Call, Kind
from .id_tokens import plain

ENDPOINT = "authorize"


def kinds() -> tuple[Kind, ...]:
    """The faults of the authorization endpoint; the errors are those of RFC 6749, section 4.1.2.1."""
    return (
        _error("access-denied", "Say: access_denied"),
        _error("temporarily-unavailable", "Say: temporarily_unavailable"),
        plain("wrong-state", "A redirect with another state", _wrong_state, ENDPOINT),
    )


def _error(name: str, title: str) -> Kind:
    """An error at the application's own address, before anybody is asked who they are."""
    said = {"error": name.replace("-", "_"), "error_description": "A fault is set"}

    def fault(call: Call) -> Response:
        reply = call.proceed()
        if reply.status_code not in (200, 302):  # nothing may be sent to that address: see authorize.py
            return reply
        state = {"state": request.values["state"]} if "state" in request.values else {}
        return _redirect(request.values["redirect_uri"], {**said, **state})

    return plain(name, title, fault, ENDPOINT)


def _wrong_state(call: Call) -> Response:
    """The way back with a code, be it from the page; the way to the page stays as it is."""
    reply = call.proceed()
    address = reply.headers.get("Location", "")
    if "code=" in urlsplit(address).query:
        reply.headers["Location"] = _redirect(address, {"state": "another-state"}).headers["Location"]
    return reply


def _redirect(address: str, parameters: dict[str, str]) -> Response:
    """A redirect to an address with these parameters beside its own."""
    parts = urlsplit(address)
    query = urlencode({**dict(parse_qsl(parts.query, keep_blank_values=True)), **parameters})
    return Response("", 302, {"Location": parts._replace(query=query).geturl()})
