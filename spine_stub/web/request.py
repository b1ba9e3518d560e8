"""One request while it is answered: what came, and what was found out about it on the way."""

from __future__ import annotations

import string
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from flask import Request, g
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from ..errors import BrokerError
from ..explain.redact import redact_text
from ..login import gpobject
from ..login.checks import Checks

_READ_ON = 512 * 1024
"""How many bytes of a request that is too large are read, and thrown away."""


class AsciiRequest(Request):
    """A request whose query is what RFC 3986 allows, whatever the client sent: Werkzeug fails at other bytes."""

    def __init__(self, environ: dict[str, Any], *arguments: Any, **options: Any) -> None:
        query = environ.get("QUERY_STRING", "")
        if not query.isascii():  # WSGI has bytes as Latin-1
            environ["QUERY_STRING"] = quote(query, safe=string.punctuation, encoding="latin-1")
        super().__init__(environ, *arguments, **options)


@dataclass(slots=True)
class Visit:
    """What views, record and log know of a request.

    `request` is the object itself. Flask's proxy costs something each time that it is asked, and
    here it would be asked thirty times.
    """

    request: Request
    number: int
    begun: float = field(default_factory=time.perf_counter)
    noted: dict[str, object] = field(default_factory=dict)
    """The fields of its line in the log."""
    checks: Checks | None = None
    fault: str = ""
    """The fault that made its reply, and the fault's value."""
    session_key: str = ""
    """The key of the session that it began."""
    path: str = field(init=False)
    """The path; one that is none of ours could hold anything, and may be a client's ticket in the wrong place."""
    endpoint: str = field(init=False)
    """The last part of the path, such as "authvalidate"."""
    _body: bytes | None = None
    _message: gpobject.Message | None = None

    def __post_init__(self) -> None:
        """Take the path."""
        self.path = redact_text(self.request.path)
        self.endpoint = self.path.rpartition("/")[2]

    @staticmethod
    def current() -> Visit:
        """Return the visit that Flask is answering in this thread."""
        visit: Visit = g.visit
        return visit

    @property
    def base(self) -> str:
        """Where the client reached us, for the absolute addresses that clients need."""
        return f"{self.request.scheme}://{self.request.host}"

    @property
    def body(self) -> bytes:
        """The body, once it was read."""
        return self._body or b""

    def note(self, **fields: object) -> None:
        """Add fields to its line in the log; never a ticket, never a signature."""
        self.noted.update(fields)

    def milliseconds(self) -> float:
        """How long it has taken so far."""
        return (time.perf_counter() - self.begun) * 1000

    def read_body(self, limit: int) -> None:
        """Read the body before Flask takes it for a form; raises HTTPException."""
        stream = get_input_stream(self.request.environ)
        try:
            body = stream.read(limit + 1)
            if len(body) > limit:
                # A client that is still sending would not see the reply.
                stream.read(_READ_ON)
        except (OSError, ValueError) as exc:  # the client has gone, is silent, or counts chunks wrong
            raise BadRequest from exc
        if len(body) > limit:
            raise RequestEntityTooLarge
        self._body = body

    def message(self) -> gpobject.Message:
        """The parameters, from the body or, for a GET without one, from the query; raises InvalidInput."""
        if self._message is None:
            is_query = not self._body and self.request.method == "GET"
            self._message = self.request.args.to_dict() if is_query else gpobject.parse(self.body)
        return self._message

    def known_message(self) -> gpobject.Message:
        """The parameters, or none when they cannot be read."""
        try:
            return self.message()
        except BrokerError:
            return {}

    def ticket(self) -> str:
        """The ticket, from the query or else from the message's sso_ticket; raises InvalidInput."""
        return self.request.args.get("token") or self.message().get("sso_ticket", "")
