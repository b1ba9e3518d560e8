"""The log on standard error: lines for people, or one JSON object a line for programs.

Each request has one line: what was asked, what came of it and why, and how fast. Views add fields with
`BrokerRequest.note`. Queries are not logged, because they hold tickets; nor are bodies.

{"time": "2026-11-23T11:04:24.123+00:00", "level": "INFO", "logger": "spine_stub.requests",
 "message": "POST /login/authvalidate 200 refused uid=... 1.8 ms", "method": "POST", "status": 200, ...}
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from enum import Enum
from functools import partial

from flask import Response

from ..explain.redact import kept_path
from .request import BrokerRequest

_log = logging.getLogger("spine_stub.requests")

_LONGEST_LINE = 500
_FIELDS = "fields"
"""The attribute of a log record that is a function for what JSON lines have beside the message."""


class LogForm(Enum):
    """What `--log` takes."""

    TEXT = "text"
    JSON = "json"


class JsonLines(logging.Formatter):
    """One JSON object for each record, on one line whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Encode a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, dict)(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """Lines for people. The time is written out once a second."""

    _written: tuple[int, str] = (0, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Return date and time."""
        second = int(record.created)
        if self._written[0] != second:
            self._written = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._written[1]},{record.msecs:03.0f}"


def set_up(level: str, form: LogForm) -> None:
    """Log to standard error from this level on."""
    # No line says which thread, process or function wrote it, and asking costs time (logging's own advice).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    text = TextLines("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if form is LogForm.JSON else text)
    logging.basicConfig(handlers=[handler], level=level)


def write_request(asked: BrokerRequest, reply: Response) -> None:
    """Log a request with its reply."""
    if not _log.isEnabledFor(logging.INFO):
        return
    noted = asked.noted
    outcome = "refused" if "reason" in noted else "ok" if reply.status_code < 400 else "failed"
    fields = " ".join(f"{name}={value}" for name, value in noted.items() if value != "")
    milliseconds = asked.milliseconds
    line = f"{asked.method} {kept_path(asked.path)} {reply.status_code} {outcome} {fields}"
    # What the client wrote stays on this line: no line ends, no escape sequences of terminals.
    line = line[:_LONGEST_LINE].rstrip()
    if not line.isprintable():
        line = "".join(c if c.isprintable() else "?" for c in line)
    more = partial(_fields, asked, reply, outcome, milliseconds)
    _log.info("%s %.1f ms", line, milliseconds, extra={_FIELDS: more})


def _fields(asked: BrokerRequest, reply: Response, outcome: str, milliseconds: float) -> dict[str, object]:
    """What JSON lines have of a request beside the line itself."""
    return {
        "client": asked.remote_addr,
        "method": asked.method,
        "path": kept_path(asked.path),
        "status": reply.status_code,
        "outcome": outcome,
        "milliseconds": round(milliseconds, 1),
        **{name: _short(value) for name, value in asked.noted.items() if value != ""},
        **({"fault": asked.fault} if asked.fault else {}),
    }


def _short(value: object) -> object:
    return value[:_LONGEST_LINE] if isinstance(value, str) else value
