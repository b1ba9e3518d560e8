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
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

from ..explain.redact import kept_path

if TYPE_CHECKING:
    from flask import Response

    from .request import BrokerRequest

_log = logging.getLogger("spine_stub.requests")

_LONGEST_LINE = 500
_FIELDS = "fields"
"""The attribute of a log record with what JSON lines have beside the message."""


class LogForm(Enum):
    """What `--log` takes."""

    TEXT = "text"
    JSON = "json"


class JsonLines(logging.Formatter):
    """One JSON object for each record, on one line whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(level: str, form: LogForm) -> None:
    """Log to standard error from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if form is LogForm.JSON else text)
    logging.basicConfig(handlers=[handler], level=level)


def write_request(asked: BrokerRequest, reply: Response) -> None:
    """Log a request with its reply."""
    if not _log.isEnabledFor(logging.INFO):
        return
    outcome = "refused" if "reason" in asked.noted else "ok" if reply.status_code < 400 else "failed"
    path, milliseconds = kept_path(asked.path), asked.milliseconds
    noted = {name: _short(value) for name, value in asked.noted.items() if value != ""}
    fields = " ".join(f"{name}={value}" for name, value in noted.items())
    # What the client wrote stays on this line: no line ends, no escape sequences of terminals.
    line = f"{asked.method} {path} {reply.status_code} {outcome} {fields}"[:_LONGEST_LINE].rstrip()
    line = "".join(c if c.isprintable() else "?" for c in line)
    more = {
        "client": asked.remote_addr,
        "method": asked.method,
        "path": path,
        "status": reply.status_code,
        "outcome": outcome,
        "milliseconds": round(milliseconds, 1),
        **noted,
        **({"fault": asked.fault} if asked.fault else {}),
    }
    _log.info("%s %.1f ms", line, milliseconds, extra={_FIELDS: more})


def _short(value: object) -> object:
    return value[:_LONGEST_LINE] if isinstance(value, str) else value
