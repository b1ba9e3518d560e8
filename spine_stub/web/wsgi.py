"""Requests and replies between h11 and a WSGI application (PEP 3333).

Beyond PEP 3333 an application may put a Delivery into its environment under DELIVERY, to have its
reply sent late, in part, or not at all.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import h11

from ..faults import Delivery

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from .server import Server

_log = logging.getLogger("spine_stub")

DELIVERY = "spine_stub.delivery"
_FAILED = h11.Response(status_code=500, headers=[("Content-Length", "0"), ("Connection", "close")])


@dataclass(frozen=True)
class Reply:
    """What the application said."""

    head: h11.Response
    content: bytes | None
    """The whole body; None when the application makes it while it is sent."""
    parts: Iterable[bytes] = ()
    delivery: Delivery | None = None

    def close(self) -> None:
        """Tell the application that no more parts are wanted: PEP 3333, close()."""
        close = getattr(self.parts, "close", None)
        if close:
            with suppress(ValueError):  # a generator that another thread is in: it ends with its next part
                close()


def environment(
    request: h11.Request, body: bytes, server: Server, client: tuple[str, int], address: str
) -> WSGIEnvironment:
    """Return what PEP 3333 calls environ, for a request whose body is here as a whole; `address` is our own end's."""
    path, query, authority = _target(request.target.decode("ascii"))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method.decode("ascii"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": server.host,
        "SERVER_ADDR": address,
        "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version.decode('ascii')}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": server.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in _headers(request, server.underscored):
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    if authority is not None:
        environ["HTTP_HOST"] = authority
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def call(app: WSGIApplication, environ: WSGIEnvironment) -> Reply:
    """Let the application answer; a reply whose length it states is complete on return."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        started[:] = [(status, headers)]

    try:
        parts = app(environ, start_response)
        ((status, headers),) = started
        delivery = environ.get(DELIVERY)
        if not any(name.lower() == "content-length" for name, _ in headers):
            # Its end is the connection's end.
            return Reply(_head(status, [*headers, ("Connection", "close")]), None, parts, delivery)
        reply = Reply(_head(status, headers), b"".join(parts), parts, delivery)
        reply.close()
        return reply
    except Exception:
        _log.exception("the application failed")
        return Reply(_FAILED, b"")


def _head(status: str, headers: list[tuple[str, str]]) -> h11.Response:
    code, _, reason = status.partition(" ")
    encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
    return h11.Response(status_code=int(code), headers=encoded, reason=reason.encode("latin-1"))


def _target(target: str) -> tuple[str, str, str | None]:
    """Path and query of a request's target and, where it is a whole address, what replaces Host (RFC 9112, 3.2.2)."""
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return path, query, None
    parts = urlsplit(target)
    return parts.path or "/", parts.query, parts.netloc if parts.scheme else None


def _headers(request: h11.Request, underscored: Container[str]) -> Iterable[tuple[str, str]]:
    """The headers under the names that PEP 3333 gives them.

    A header whose name has an underscore is left out, as it would pass for another one, unless it is in
    `underscored`. So is Transfer-Encoding: the body is no longer in chunks.
    """
    for name, value in request.headers:
        plain = name.decode("ascii")
        if ("_" not in plain or plain in underscored) and plain != "transfer-encoding":
            key = plain.upper().replace("-", "_")
            yield key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", value.decode("latin-1")
