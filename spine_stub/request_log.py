"""One line in the log for each request: what was asked, what came of it and why, and how fast.

Views add fields with `note`. Queries are not logged, because they hold tickets; nor are bodies.
"""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

from .logs import FIELDS

_log = logging.getLogger("spine_stub.requests")

_LONGEST_LINE = 500


def install(app: Flask) -> None:
    """Make the application log its requests."""
    app.before_request(_start)
    app.after_request(_write)


def note(**fields: object) -> None:
    """Add fields to this request's line; never a ticket, never a signature."""
    g.setdefault("noted", {}).update(fields)


def _start() -> None:
    g.started = time.perf_counter()


def _write(reply: Response) -> Response:
    if not _log.isEnabledFor(logging.INFO):
        return reply
    noted: dict[str, object] = g.get("noted", {})
    outcome = "refused" if "reason" in noted else "ok" if reply.status_code < 400 else "failed"
    fields = " ".join(f"{name}={value}" for name, value in noted.items() if value != "")
    milliseconds = (time.perf_counter() - g.started) * 1000
    line = f"{request.method} {request.path} {reply.status_code} {outcome} {fields}"
    # What the client wrote stays on this line: no line ends, no escape sequences of terminals.
    line = line[:_LONGEST_LINE].rstrip()
    if not line.isprintable():
        line = "".join(c if c.isprintable() else "?" for c in line)
    _log.info("%s %.1f ms", line, milliseconds, extra={FIELDS: _fields(reply, outcome, milliseconds, noted)})
    return reply


def _fields(reply: Response, outcome: str, milliseconds: float, noted: dict[str, object]) -> dict[str, object]:
    """What JSON lines have of a request beside the line itself."""
    fields = {name: value[:_LONGEST_LINE] if isinstance(value, str) else value for name, value in noted.items()}
    return {
        "client": request.remote_addr,
        "method": request.method,
        "path": request.path[:_LONGEST_LINE],
        "status": reply.status_code,
        "outcome": outcome,
        "milliseconds": round(milliseconds, 1),
        **{name: value for name, value in fields.items() if value != ""},
        **({"fault": g.fault} if "fault" in g else {}),
    }
