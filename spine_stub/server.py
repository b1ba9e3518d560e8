"""The web server: cheroot, threaded, TLS 1.2 or better, connections kept open.

cheroot shakes TLS hands in the thread that accepts connections, so that one silent client would
stop everybody; here the handshake is a worker's, as each request is.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cheroot import server, wsgi
from cheroot.makefile import StreamWriter
from cheroot.ssl.builtin import BuiltinSSLAdapter
from flask import Flask

from . import authority
from .files import write_private
from .first_start import Layout

_log = logging.getLogger("spine_stub")

THREADS = 16
KEEP_ALIVE_SECONDS = 600
"""How long a silent connection stays open: longer than anyone takes to type a passcode."""
READ_SECONDS = 10
"""How long a client may pause in the middle of a handshake or a request."""
MAX_HEADER_BYTES = 64 * 1024

_HTTP_ON_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
    b"This port speaks https only.\n"
)


class Adapter(BuiltinSSLAdapter):  # type: ignore[misc]
    """TLS that leaves the handshake for later."""

    def __init__(self, key_and_certificate: Path) -> None:
        super().__init__(str(key_and_certificate), str(key_and_certificate))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class Writer(StreamWriter):  # type: ignore[misc]
    """Holds the head of a reply back until its body comes, so that both leave in one TLS record."""

    _holding = False
    _held = b""

    @contextmanager
    def holding(self) -> Iterator[None]:
        self._holding = True
        try:
            yield
        finally:
            self._holding = False

    def write(self, data: bytes) -> int:
        if self._holding:
            self._held += data
        else:
            held, self._held = self._held, b""
            super().write(held + data)
        return len(data)

    def release(self) -> None:
        """Send what is still held: the head of a reply without a body."""
        if self._held:
            self.write(b"")


class Request(server.HTTPRequest):
    def send_headers(self) -> None:
        with self.conn.wfile.holding():
            super().send_headers()

    def respond(self) -> None:
        super().respond()
        self.conn.wfile.release()


class Connection(server.HTTPConnection):
    """A connection that begins with its handshake, and that cannot bring its worker down."""

    RequestHandlerClass = Request

    def __init__(self, owner: Server, sock: socket.socket, makefile: Any) -> None:
        super().__init__(owner, sock, makefile)
        sock.settimeout(READ_SECONDS)
        self.wfile = Writer(sock, "wb", self.wbufsize)
        self._shaken = not isinstance(sock, ssl.SSLSocket)

    def communicate(self) -> bool:
        """One handshake or one request; True keeps the connection open."""
        if self._shaken:
            return bool(super().communicate())
        self._shaken = True
        return self._shake_hands()

    def _shake_hands(self) -> bool:
        try:
            self.socket.do_handshake()
        except OSError as exc:
            _log.info("no TLS with %s: %s", self.remote_addr, exc)
            if "HTTP_REQUEST" in str(getattr(exc, "reason", "")):
                os.write(self.socket.fileno(), _HTTP_ON_TLS)
            return False
        return True

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class Server(wsgi.Server):
    """A broker's web server. `prepare` it, then `serve` until somebody calls `stop`."""

    ConnectionClass = Connection
    keep_alive_conn_limit = None
    max_request_header_size = MAX_HEADER_BYTES

    def __init__(self, app: Flask, host: str, port: int, tls: Path | None) -> None:
        super().__init__((host, port), app, numthreads=THREADS, server_name="spine_stub")
        self.timeout = KEEP_ALIVE_SECONDS
        self.shutdown_timeout = 1
        self.max_request_body_size = app.config["MAX_CONTENT_LENGTH"]
        self.ssl_adapter = Adapter(tls) if tls else None

    @property
    def url(self) -> str:
        host, port = self.bind_addr[:2]
        scheme = "https" if self.ssl_adapter else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        _log.log(level, "%s", msg, exc_info=traceback)


def write_tls_file(layout: Layout, hosts: Iterable[str], now: datetime) -> Path:
    """Make a TLS key and certificate for these names and addresses, in one file."""
    key = authority.ec_key()
    root = authority.load_issuer(layout.root, layout.root_key)
    certificate = authority.make_tls_certificate(root, key, hosts, now)
    write_private(layout.tls, authority.key_pem(key) + authority.certificate_pem(certificate))
    return layout.tls
