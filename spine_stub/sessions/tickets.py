"""Tickets, and how they get damaged on their way through addresses, forms and cookies.

A ticket has the form that OpenSSO gives it (docs/protocol.md 4): 35 bytes in base64, "@", a site in
base64, "#". A damaged one is refused, as by the real broker; its form tells what happened to it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from ..config import RandomBytes

_START = "AQIC5wM2"
"""With which tickets of OpenSSO begin, in base64."""
_OPAQUE_SIZE = 35
_SITE = "AAJTSQACMDE="
"""The site's tag "SI" and its number "01"."""
_FORM = re.compile(rf"{_START}[A-Za-z0-9+/]{{39}}=@{_SITE}#")
_SIZE = 62
_MOST_ENCODINGS = 5


class Arrived(NamedTuple):
    """A ticket that came: as it was sent, as far as that can be told, and the reason why it is not that now."""

    sent: str
    damage: str = ""
    """Empty for a ticket that is whole, and for what is none."""


def new_ticket(random: RandomBytes) -> str:
    """Make a ticket that nobody can guess."""
    opaque = base64.b64decode(_START)
    opaque += random(_OPAQUE_SIZE - len(opaque))
    return f"{base64.b64encode(opaque).decode('ascii')}@{_SITE}#"


def arrived(ticket: str) -> Arrived:
    """Tell what happened to a ticket on its way; of several damages the one furthest down in _MENDS."""
    if _FORM.fullmatch(ticket):
        return Arrived(ticket)
    mended, damage = ticket, ""
    for reason, mend in _MENDS:
        before, mended = mended, mend(mended)
        damage = reason if mended != before else damage
    if _FORM.fullmatch(mended):
        return Arrived(mended, damage)
    is_beginning = ticket.startswith(_START) and len(ticket) < _SIZE
    return Arrived(ticket, "ticket-cut" if is_beginning else "")


def _decoded(ticket: str) -> str:
    for _ in range(_MOST_ENCODINGS):
        ticket = unquote(ticket)
    return ticket


_MENDS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("ticket-encoded-twice", _decoded),
    ("ticket-with-white-space", lambda ticket: re.sub(r"[\t\r\n]", "", ticket).strip()),
    ("ticket-in-quotes", lambda ticket: ticket.strip("\"'")),
    ("ticket-plus-lost", lambda ticket: ticket.replace(" ", "+")),
    ("ticket-hash-lost", lambda ticket: ticket.removesuffix("#") + "#"),
)
"""What can happen, each with what undoes it."""
