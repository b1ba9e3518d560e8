"""Tickets made unusable before anything is kept: what is recorded, shown or logged is cut short.

A ticket is known by its form (nhs-facts.md 3.4), as it is or URL-encoded, and by the names under
which clients send one, so that a made-up ticket is cut short too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SHOWN = 10
"""How many characters of a ticket are left: all tickets begin with the same eight."""

_CUT = b"..."
_PARAMETERS = ("token", "tokenid", "ticket", "sso_ticket", "subjectid", "iplanetdirectorypro")
_LONGEST_TICKET = 1024
"""Longer values are a CMS, which holds no ticket."""
_BY_FORM = re.compile(rb"(AQIC[A-Za-z0-9+/]{%d})(?:[A-Za-z0-9+/=@#*._-]|%%(?:2[BbFf3]|3[Dd]|40))+" % (SHOWN - 4))
_NAMES = b"(?:" + "|".join(_PARAMETERS).encode() + b")"
_IN_QUERY = re.compile(rb"((?:^|[?&;\s])" + _NAMES + rb"=[^&;\s#]{0,%d})[^&;\s]*" % SHOWN, re.IGNORECASE)
_IN_XML = re.compile(rb"(name=[\"']?" + _NAMES + rb"[\"']?[^>]*>\s*[^<]{0,%d})[^<]*" % SHOWN, re.IGNORECASE)


def redact(content: bytes) -> bytes:
    """Cut every ticket in a body, a query or a header short."""
    if not _may_hold_ticket(content.lower()):
        return content
    content = _IN_QUERY.sub(_shorten, content)
    content = _IN_XML.sub(_shorten, content)
    return _BY_FORM.sub(rb"\1" + _CUT, content)


def redact_reply(content: bytes) -> bytes:
    """Do the same for what the broker itself wrote: it repeats no ticket that is not one of its own."""
    return _BY_FORM.sub(rb"\1" + _CUT, content) if b"AQIC" in content else content


def redact_text(content: str) -> str:
    """Do the same for text."""
    if _is_harmless((content,)):
        return content
    return redact(content.encode("utf-8", "replace")).decode("utf-8", "replace")


def redact_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Do the same for the values of headers."""
    return headers if _is_harmless(headers.values()) else {name: redact_text(headers[name]) for name in headers}


def redact_message(message: Mapping[str, str]) -> Mapping[str, str]:
    """Do the same for the values of parameters, by their names too."""
    if _is_harmless((*message, *filter(_may_be_ticket, message.values()))):
        return message
    return {name: _redact_parameter(name, value) for name, value in message.items()}


def _redact_parameter(name: str, value: str) -> str:
    if len(value) > SHOWN and name.casefold() in _PARAMETERS:
        return value[:SHOWN] + _CUT.decode()
    return redact_text(value) if _may_be_ticket(value) else value


def _may_be_ticket(value: str) -> bool:
    return len(value) < _LONGEST_TICKET


def _is_harmless(texts: Iterable[str]) -> bool:
    """Whether none of many texts needs a closer look: to ask for each alone takes many times as long."""
    text = " ".join(texts)
    return text.isascii() and not _may_hold_ticket(text.lower().encode("ascii"))


def _may_hold_ticket(lowered: bytes) -> bool:
    # Written out, since this looks at every byte of every request and reply.
    return (
        b"aqic" in lowered
        or b"token" in lowered
        or b"ticket" in lowered
        or b"subjectid" in lowered
        or b"iplanet" in lowered
    )


def _shorten(match: re.Match[bytes]) -> bytes:
    kept = match[1]
    return kept if len(kept) == len(match[0]) else kept + _CUT
