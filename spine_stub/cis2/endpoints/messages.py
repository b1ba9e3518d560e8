"""What goes in and out: the parameters of requests, each at most once and of a bounded length, and replies in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response
from werkzeug.datastructures import MultiDict

LONGEST = 2000
_LONGER = {"client_assertion": 8192, "request": 8192, "id_token_hint": 8192}
_MOST = 16 * 1024
"""How many characters all of them may have."""


def single(sent: MultiDict[str, str]) -> tuple[Mapping[str, str], str]:
    """The parameters, and what is wrong with them: a sentence, or nothing.

    A parameter that is sent twice counts as its first value (RFC 6749, section 3.1, has it refused).
    """
    taken: dict[str, str] = {}
    problem, left = "", _MOST
    for name, (value, *others) in sent.lists():
        if others:
            problem = problem or f"The parameter {_shown(name)} is repeated"
        if len(value) > _LONGER.get(name, LONGEST):
            problem = problem or f"The parameter {_shown(name)} is too long"
        left -= len(name) + len(value)
        if left < 0:
            return taken, "The request is too long"
        taken[name] = value
    return taken, problem


def _shown(name: str) -> str:
    """A parameter's name as an error's description can hold it (RFC 6749, section 5.2)."""
    return name if name.isascii() and name.replace("_", "").isalnum() else "of another name"


def as_json(content: Mapping[str, Any], status: int = 200) -> Response:
    """A reply in JSON."""
    return Response(json.dumps(content), status, content_type="application/json;charset=UTF-8")


def printable(text: str) -> str:
    """A text as a header can hold it."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:300]).strip()
