"""One line in the log for each request: what was asked, what came of it and why, and how fast.

Views add fields with `Visit.note`. Queries are not logged, because they hold tickets; nor are bodies.
"""

from __future__ import annotations

import logging
from functools import partial

from flask import Response

from .log import FIELDS
from .request import Visit

_log = logging.getLogger("spine_stub.requests")

_LONGEST_LINE = 500


def write(visit: Visit, reply: Response) -> None:
    """Log a request with its reply."""
    if not _log.isEnabledFor(logging.INFO):
        return
    noted = visit.noted
    outcome = "refused" if "reason" in noted else "ok" if reply.status_code < 400 else "failed"
    fields = " ".join(f"{name}={value}" for name, value in noted.items() if value != "")
    milliseconds = visit.milliseconds()
    line = f"{visit.request.method} {visit.path} {reply.status_code} {outcome} {fields}"
    # What the client wrote stays on this line: no line ends, no escape sequences of terminals.
    line = line[:_LONGEST_LINE].rstrip()
    if not line.isprintable():
        line = "".join(c if c.isprintable() else "?" for c in line)
    more = partial(_fields, visit, reply, outcome, milliseconds)
    _log.info("%s %.1f ms", line, milliseconds, extra={FIELDS: more})


def _fields(visit: Visit, reply: Response, outcome: str, milliseconds: float) -> dict[str, object]:
    """What JSON lines have of a request beside the line itself."""
    return {
        "client": visit.request.remote_addr,
        "method": visit.request.method,
        "path": visit.path[:_LONGEST_LINE],
        "status": reply.status_code,
        "outcome": outcome,
        "milliseconds": round(milliseconds, 1),
        **{name: _short(value) for name, value in visit.noted.items() if value != ""},
        **({"fault": visit.fault} if visit.fault else {}),
    }


def _short(value: object) -> object:
    return value[:_LONGEST_LINE] if isinstance(value, str) else value
