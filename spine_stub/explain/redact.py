"""What is kept of a request: parsed fields, each of a bounded size, and no whole ticket in any of them.

A body, a query and a cookie are not kept at all: a ticket can be spelt there in more ways than can be
looked for. Of parameters that clients of the broker are known to send the values are kept, a ticket's
up to its tenth character; of others no more than fits into half a ticket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from werkzeug.datastructures import Headers

from ..config import REALM
from ..login.gpobject import Message

SHOWN = 10
"""How many characters of a ticket are left: all tickets begin with the same eight."""
HEADERS = ("User-Agent", "Content-Type", "Content-Length", "Host", "Analytics", "Accept")
"""The headers that are kept."""

_CUT = "..."
_TICKETS = ("sso_ticket", "token", "ticket")
_SIZES = {
    **dict.fromkeys(_TICKETS, SHOWN),
    **dict.fromkeys(("service", "uid", "auth_method", "app_url", "log_session_id", "device_id"), 200),
    **dict.fromkeys(("card_type", "mobility", "selectedRoleUid", "ssbMode"), 200),
    "challenge": 500,
    "signature": 500,
    "response": 64 * 1024,
}
"""How many characters of each known parameter are kept (docs/protocol.md, sections 2 and 4)."""
_UNKNOWN_SIZE = 30
_MOST_PARAMETERS = 50
_HEADER_SIZE = 1000
_MOST_ENCODINGS = 5
_BY_FORM = re.compile(rf"(AQIC[A-Za-z0-9+/_-]{{{SHOWN - 4}}})[A-Za-z0-9+/=@#*._-]{{20,}}")
"""A ticket as this broker gives it (docs/protocol.md, section 4), or in OpenAM's c66 encoding."""
_PATH = re.compile(f"(?:{REALM})?" + r"(?:/(?!AQIC)[\w.-]{1,24}(?![\w.-])){0,6}/?", re.ASCII)


def without_ticket(text: str) -> str:
    """Cut a ticket in a text short, also one that is encoded for an address, once or several times."""
    plain = text
    for _ in range(_MOST_ENCODINGS if "%" in text else 0):
        plain = unquote(plain)
    return _BY_FORM.sub(rf"\1{_CUT}", plain) if "AQIC" in plain else text


def kept_parameters(message: Message) -> Message:
    """The parameters as they may be kept."""
    return {
        _shortened(name, _UNKNOWN_SIZE): _kept(name, value) for name, value in list(message.items())[:_MOST_PARAMETERS]
    }


def kept_headers(headers: Headers | Mapping[str, str]) -> Mapping[str, str]:
    """Those of a request's headers that are kept."""
    found = {name: headers.get(name) for name in HEADERS}
    return {name: _shortened(without_ticket(value), _HEADER_SIZE) for name, value in found.items() if value}


def kept_path(path: str) -> str:
    """The path as far as its parts are plain words."""
    found = _PATH.match(path)
    plain = found[0] if found else ""
    return plain if plain == path else plain + _CUT


def kept_reply(content: bytes, size: int) -> bytes:
    """The beginning of a reply; it may repeat what the client sent."""
    return without_ticket(content[:size].decode("utf-8", "replace")).encode()


def _kept(name: str, value: str) -> str:
    if name == "response":
        return _shortened(value, _SIZES[name])  # a CMS
    return _shortened(without_ticket(value), _SIZES.get(name, _UNKNOWN_SIZE))


def _shortened(text: str, size: int) -> str:
    return text if len(text) <= size else text[:size] + _CUT
