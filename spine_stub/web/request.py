"""A request of a client, and what is found out about it while it is answered."""

from __future__ import annotations

import string
import time
from typing import Any
from urllib.parse import quote

from flask import Request
from flask.globals import request_ctx

from ..errors import BrokerError, DataError
from ..explain.redact import without_ticket
from ..login import gpobject
from ..login.checks import Checks


class BrokerRequest(Request):
    """What views, record and log know of a request."""

    number: int
    """Counted by the record."""
    path_prefix: str = ""
    """What the paths of clients begin with."""
    checks: Checks | None = None
    fault: str = ""
    """The fault that made its reply, and the fault's value."""
    holds_secrets: bool = False
    """Whether parameters or reply hold codes or tokens, of which the record keeps nothing."""

    def __init__(self, environ: dict[str, Any], *arguments: Any, **options: Any) -> None:
        query = environ.get("QUERY_STRING", "")
        if not query.isascii():  # WSGI has bytes as Latin-1, and Werkzeug fails at those that are not UTF-8
            environ["QUERY_STRING"] = quote(query, safe=string.punctuation, encoding="latin-1")
        super().__init__(environ, *arguments, **options)
        self.begun = time.perf_counter()
        self.noted: dict[str, object] = {}
        """The fields of its line in the log."""
        self._message: gpobject.Message | None = None

    @property
    def step(self) -> str:
        """The last part of the path, such as "authvalidate"."""
        return self.path.rpartition("/")[2]

    @property
    def base(self) -> str:
        """Where the client reached us, for the absolute addresses that clients need."""
        return f"{self.scheme}://{self.host}{self.path_prefix}"

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - self.begun) * 1000

    @property
    def is_foreign(self) -> bool:
        """Whether a browser says that another site's page sent this. Programs say nothing of where they come from."""
        site, origin = self.headers.get("Sec-Fetch-Site"), self.headers.get("Origin")
        if site is not None:
            return site != "same-origin"
        return origin is not None and origin != f"{self.scheme}://{self.host}"

    def note(self, **fields: object) -> None:
        """Add fields to its line in the log; a ticket in one of them is cut short."""
        for name, value in fields.items():
            self.noted[name] = without_ticket(value) if isinstance(value, str) else value

    def leave_body(self) -> None:
        """Have no parameters: the body is too large to be looked at."""
        self._message = {}

    def message(self) -> gpobject.Message:
        """The parameters, from the body or, for a GET without one, from the query; raises InvalidInput."""
        if self._message is None:
            self._message = self.args.to_dict() if self.is_in_query else gpobject.parse(self.get_data())
        return self._message

    @property
    def is_in_query(self) -> bool:
        """Whether the parameters are those of the address: of a GET without a body."""
        return self.method in ("GET", "HEAD") and not self.get_data()

    def known_message(self) -> gpobject.Message:
        """The parameters, or none when they cannot be read."""
        try:
            return self.message()
        except BrokerError:
            return {}

    def ticket(self) -> str:
        """The ticket, from the query or else from the message's sso_ticket; raises InvalidInput."""
        return self.args.get("token") or self.message().get("sso_ticket", "")

    def known_ticket(self) -> str:
        """The ticket; nothing when there is none or the message cannot be read."""
        return self.args.get("token") or self.known_message().get("sso_ticket", "")


def json_object(asked: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body; raises DataError."""
    try:
        found = asked.get_json(silent=True)
    except RecursionError:  # brackets in brackets
        found = None
    if not isinstance(found, dict):
        raise DataError("the body is not a JSON object")
    return found


def current() -> BrokerRequest:
    """Return the request that Flask answers in this thread: itself, not a proxy, which costs at every use."""
    found = request_ctx.request
    assert isinstance(found, BrokerRequest)  # noqa: S101 - app.py says which class requests have
    return found
