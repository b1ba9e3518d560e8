"""The log on standard error: lines for people, or one JSON object a line for programs.

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

FIELDS = "fields"
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
            **getattr(record, FIELDS, dict)(),
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
