"""The faults that have a name: what the console and the JSON API offer. A new one is a new line of KINDS."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response

from ..errors import InvalidInput, Refused
from . import Call, Delivery, Fault, Kind
from .hostile_xml import DEEP, bomb, external, huge

_XML = "text/xml; charset=UTF-8"
_FIRST_ROLE = 555_900_000_000
_ROLES = re.compile(r'<gpPARAM name="nhsjobrole\d+"[^>]*>[^<]*</gpPARAM>\n')
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_YEAR_OF_MINUTES = 525_600
_AFTER_ROLES = '<gpPARAM name="gas_version">'
"""Roles stand before this parameter."""
_UNREACHABLE = "http://192.0.2.1:8093/sessionmanager/session/update"
"""An address of TEST-NET-1 (RFC 5737), which nobody has, in the form that one capture shows."""


def delay(seconds: str) -> Fault:
    """Reply late."""
    return _delivered(Delivery(after=_number(seconds, 600)))


def http(code: int, words: str) -> Fault:
    """Reply as a web server in front of the broker does on a bad day."""
    page = f"<html><head><title>{code} {words}</title></head><body><h1>{words}</h1></body></html>\n"
    return lambda _: Response(page, code, content_type="text/html")


def content_type(value: str) -> Fault:
    """The normal reply under another content type; raises ValueError for what no header can hold."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(value)

    def fault(call: Call) -> Response:
        reply = call.proceed()
        reply.headers["Content-Type"] = value
        return reply

    return fault


def page(body: str, kind: str = _XML) -> Fault:
    """A reply with this body."""
    return lambda _: Response(body, content_type=kind)


def streamed(parts: Callable[[], Iterator[bytes]]) -> Fault:
    """A reply too large to be made before it is sent."""
    return lambda _: Response(parts(), content_type=_XML)


def missing_field(name: str) -> Fault:
    """The normal reply without one of its parameters, or of its attributes where it is an assertion."""
    quoted = re.escape(name)
    parameter = rf'<gpPARAM name="{quoted}"[^>]*>[^<]*</gpPARAM>\n?'
    attribute = rf'<saml:Attribute AttributeName="{quoted}".*?</saml:Attribute>\n?'
    return _rewritten(lambda text: re.sub(f"{parameter}|{attribute}", "", text, flags=re.DOTALL))


def session_url(url: str) -> Fault:
    """Another keep-alive address."""
    return _rewritten(lambda text: _with_parameter(text, "sso_session_url", lambda _: url))


def clock_skew(minutes: str) -> Fault:
    """The normal reply of a broker whose clock is ahead, or behind with a minus; one was recorded an hour out."""
    number = float(minutes)
    if not 0 < abs(number) <= _YEAR_OF_MINUTES:
        raise ValueError(minutes)

    def moved(instant: re.Match[str]) -> str:
        return f"{datetime.fromisoformat(instant[0]) + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}"

    return _rewritten(lambda text: _INSTANT.sub(moved, text))


def roles(count: str) -> Fault:
    """The normal reply with this many made-up roles in place of the person's own."""
    number = int(count)
    if not 0 <= number <= 10_000:
        raise ValueError(count)
    made_up = "".join(map(_made_up_role, range(number)))

    def change(text: str) -> str:
        without = _ROLES.sub("", text)
        return without.replace(_AFTER_ROLES, made_up + _AFTER_ROLES, 1)

    return _rewritten(change)


def _made_up_role(number: int) -> str:
    name = f'TEST SURGERY {number + 1}, O\'BRIEN & SONS (EAST), "Clinical":"Clinical Provision":"Nurse Access Role"'
    identity = f'id="{_FIRST_ROLE + number}" orgcode="T{number:05}"'
    return f'<gpPARAM name="nhsjobrole{number}" {identity}>{name}</gpPARAM>\n'


def refuse(exc: InvalidInput | Refused) -> Fault:
    """Refuse without looking."""
    return lambda call: call.refusal(exc)


def session_ended(call: Call) -> Response:
    """End the session first, so that the broker refuses for its own reason."""
    call.end_session()
    return call.proceed()


@dataclass(frozen=True)
class TlsFault:
    """A wrong certificate; web/tls.py asks which one before hands are shaken."""

    defect: str
    is_tls = True

    def __call__(self, call: Call) -> Response:
        """Nothing is wrong any more once hands are shaken."""
        return call.proceed()


def _delivered(delivery: Delivery) -> Fault:
    def fault(call: Call) -> Response:
        call.delivery = delivery
        return call.proceed()

    return fault


def _rewritten(change: Callable[[str], str]) -> Fault:
    def fault(call: Call) -> Response:
        reply = call.proceed()
        reply.set_data(change(reply.get_data(as_text=True)))
        return reply

    return fault


def _with_parameter(text: str, name: str, change: Callable[[str], str]) -> str:
    pattern = rf'(<gpPARAM name="{name}">)([^<]*)'
    return re.sub(pattern, lambda match: match[1] + change(match[2]), text)


def _flipped(parameter: str) -> Fault:
    """One bit of a base64 parameter turned over."""

    def flip(value: str) -> str:
        raw = bytearray(base64.b64decode(value))
        raw[len(raw) // 2] ^= 1
        return base64.b64encode(raw).decode("ascii")

    return _rewritten(lambda text: _with_parameter(text, parameter, flip))


def _number(text: str, most: float) -> float:
    number = float(text)
    if not 0 < number <= most:
        raise ValueError(text)
    return number


def _plain(fault: Fault) -> Callable[[str], Fault]:
    return lambda _: fault


_NOT_XML = "<!doctype html><title>Guest network</title><h1>Please accept the terms of use<br>to go on</h1>\n"
_TYPES = ("application/octet-stream", "text/html", "application/json")
_FIELDS = ("challenge", "signature", "sso_ticket", "sso_logout_url", "cn")
_COUNTS = ("0", "1", "40", "1000")

KINDS: tuple[Kind, ...] = (
    Kind("delay", "Reply late", delay, "seconds, up to 600", "3"),
    Kind("hang", "Never reply; the connection stays open", _plain(_delivered(Delivery(after=None)))),
    Kind("drop", "Close the connection without a reply", _plain(_delivered(Delivery(head=False)))),
    Kind("half-body", "Close the connection in the middle of the body", _plain(_delivered(Delivery(share=0.5)))),
    Kind("http-500", "HTTP 500", _plain(http(500, "Internal Server Error"))),
    Kind("http-503", "HTTP 503", _plain(http(503, "Service Unavailable"))),
    Kind("content-type", "Wrong content type", content_type, "the content type", _TYPES[0], _TYPES),
    Kind("not-xml", "A web page in place of XML", _plain(page(_NOT_XML, "text/html"))),
    Kind("entity-bomb", "XML that grows to gigabytes when entities are expanded", _plain(page(bomb()))),
    Kind("external-entity", "XML with an entity to be fetched", _plain(lambda call: page(external(call.base))(call))),
    Kind("deep-nesting", "XML with 100,000 elements, one in the other", _plain(page(DEEP))),
    Kind("huge", "100 MB of XML", _plain(streamed(huge))),
    Kind("missing-field", "Leave a field out", missing_field, "the field's name", "sso_ticket", _FIELDS),
    Kind("changed-challenge", "Another challenge than the signed one", _plain(_flipped("challenge"))),
    Kind("bad-server-signature", "A wrong server signature", _plain(_flipped("signature"))),
    Kind("session-ended", "The session has just been ended by the server", _plain(session_ended)),
    Kind("invalid-input", "Say: Invalid input request", _plain(refuse(InvalidInput("fault-invalid-input")))),
    Kind("failed-to-validate", "Say: Failed To Validate", _plain(refuse(Refused("fault-failed-to-validate")))),
    Kind("roles", "Made-up roles", roles, "how many", "1000", _COUNTS),
    Kind("clock-skew", "An assertion by a clock that is wrong", clock_skew, "minutes", "60", endpoint="RoleAssertion"),
    Kind("session-url", "An sso_session_url that cannot be reached", session_url, "the address", _UNREACHABLE),
    Kind("tls-unknown-ca", "TLS certificate of an unknown CA", _plain(TlsFault("unknown-ca"))),
    Kind("tls-wrong-name", "TLS certificate for another host", _plain(TlsFault("wrong-name"))),
    Kind("tls-expired", "TLS certificate that has expired", _plain(TlsFault("expired"))),
)
