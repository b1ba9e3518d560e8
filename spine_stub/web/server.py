"""The web server: cheroot, threaded, TLS 1.2 or better, connections kept open.

cheroot shakes TLS hands in the thread that accepts connections, so that one silent client would
stop everybody, and gives each new connection a worker at once, to wait with it. Here the handshake
is a worker's work as each request is, and a connection without anything to read has no worker.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cheroot import server, wsgi
from cheroot.makefile import StreamWriter
from cheroot.ssl.builtin import BuiltinSSLAdapter
from flask import Flask

from ..faults import tls
from ..folder import ROOT, ROOT_KEY
from ..pki import authority
from ..stub import Stub
from .background import ENVIRON_KEY, Finish, Unattended

_log = logging.getLogger("spine_stub")

THREADS = 16
BACKLOG = 128
"""How many may knock at once; one too many tries again after a whole second."""
KEEP_ALIVE_SECONDS = 600
"""How long a silent connection stays open: longer than anyone takes to type a passcode."""
READ_SECONDS = 10
"""How long a client may pause in the middle of a handshake or a request."""
MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
"""Larger bodies are not even read; up to here the application can answer properly."""

_HTTP_ON_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nThis port speaks https only.\n"
)


class Adapter(BuiltinSSLAdapter):
    """TLS that leaves the handshake for later, and that can be told to begin with a wrong certificate."""

    def __init__(self, key_and_certificate: bytes, stub: Stub) -> None:
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # ssl reads files only
            file.write(key_and_certificate)
            file.flush()
            super().__init__(file.name, file.name)
        self._stub = stub
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """Return the TLS socket, and what it adds to each request's environment."""
        context = tls.context_for(self._stub, _address(sock)) or self.context
        wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class Writer(StreamWriter):
    """Holds the head of a reply back until its body comes, so that both leave in one TLS record."""

    _holding = False
    _held = b""
    withholding = False
    """Nothing is sent; it all goes to `withheld`."""
    withheld = b""

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold back what is written meanwhile, until the next write."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Send, or hold back, some bytes."""
        if self.withholding:
            self.withheld += data
            return len(data)
        if self._holding:
            self._held += data
            return len(data)
        held, self._held = self._held, b""
        return int(super().write(held + data))  # type: ignore[no-untyped-call]

    def release(self) -> None:
        """Send what is still held: the head of a reply without a body."""
        if self._held:
            self.write(b"")


class Request(server.HTTPRequest):
    """A request whose reply leaves as one."""

    def send_headers(self) -> None:
        """Write the head of the reply."""
        if self.conn.is_unattended:
            # What follows is not chunked, and the end of the connection ends it.
            self.response_protocol = "HTTP/1.0"
            self.close_connection = True
        with self.conn.wfile.holding():
            super().send_headers()

    def respond(self) -> None:
        """Write the reply."""
        super().respond()
        self.conn.wfile.release()


class Gateway(wsgi.Gateway_10):
    """Lets the application find its connection."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        """Return the environment of a request."""
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        return {**environ, ENVIRON_KEY: self.req.conn}


class Connection(server.HTTPConnection):
    """A connection that begins with its handshake, and that cannot bring its worker down."""

    RequestHandlerClass = Request

    def __init__(self, owner: Server, sock: socket.socket, makefile: Any) -> None:
        super().__init__(owner, sock, makefile)
        sock.settimeout(READ_SECONDS)
        self.wfile = Writer(sock, "wb", self.wbufsize)
        self.is_new = True
        self._shaken = not isinstance(sock, ssl.SSLSocket)
        self._finish: Finish | None = None

    def communicate(self) -> bool:
        """Do one handshake or one request; True keeps the connection open."""
        if self._shaken:
            return bool(super().communicate())  # type: ignore[no-untyped-call]
        self._shaken = True
        return self._shake_hands()

    @property
    def is_unattended(self) -> bool:
        """Whether the rest of this reply is not the worker's to send."""
        return self._finish is not None

    def leave(self, finish: Finish) -> None:
        """When the worker is done with this request, go on with `finish` in a thread of its own."""
        self._finish = finish

    def withhold(self, finish: Finish) -> None:
        """Likewise, but leave everything to `finish`: it finds the reply in `wfile.withheld`."""
        self.wfile.withholding = True
        self.leave(finish)

    def close(self) -> None:
        """Close, or go on without a worker."""
        if self._finish:
            self.server.unattended.take(self, self._finish)
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """Close, whatever state the other side left it in."""
        # A thread that still writes here would keep the socket's file open.
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self.wfile.close()  # cheroot leaves this, and what could not be sent, to the collector
        with suppress(OSError):
            super().close()

    def _shake_hands(self) -> bool:
        try:
            self.socket.do_handshake()
        except OSError as exc:
            _log.info("no TLS with %s: %s", self.remote_addr, exc)
            if getattr(exc, "reason", "") == "HTTP_REQUEST":
                with suppress(OSError):  # the client has gone
                    os.write(self.socket.fileno(), _HTTP_ON_TLS)
            return False
        return True


class Server(wsgi.Server):
    """A broker's web server. `prepare` it, then `serve` until somebody calls `stop`."""

    ConnectionClass = Connection
    keep_alive_conn_limit = 10_000
    max_request_header_size = MAX_HEADER_BYTES

    def __init__(self, app: Flask, host: str, port: int, tls: bytes | None) -> None:
        # server_name is what a client of HTTP/1.0 without a Host header is told.
        super().__init__((host, port), app, numthreads=THREADS, server_name=host, request_queue_size=BACKLOG)
        self.gateway = Gateway
        self.unattended = Unattended()
        self.timeout = KEEP_ALIVE_SECONDS
        self.shutdown_timeout = 1
        self.max_request_body_size = MAX_BODY_BYTES
        self.ssl_adapter = Adapter(tls, Stub.of(app)) if tls else None

    @property
    def url(self) -> str:
        """Where the server listens; the port is the real one after `prepare`."""
        host, port = self.bind_addr[:2]
        scheme = "https" if self.ssl_adapter else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def process_conn(self, conn: Connection) -> None:
        """Give a connection to a worker, a new one not before something can be read from it."""
        if conn.is_new:
            conn.is_new = False
            self.put_conn(conn)
        else:
            super().process_conn(conn)

    def stop(self) -> None:
        """Stop, and then close what has no worker: until then a worker may still leave a connection."""
        super().stop()
        self.unattended.close()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log what cheroot has to say."""
        _log.log(level, "%s", msg, exc_info=traceback)


def _address(sock: socket.socket) -> str:
    try:
        return str(sock.getpeername()[0])
    except OSError:  # gone already
        return ""


def make_tls(data: Path, hosts: Iterable[str], now: datetime) -> bytes:
    """Make a TLS key and certificate for these names and addresses, both in one PEM.

    Each start makes its own: it then fits the addresses, and never expires in use.
    """
    key = authority.ec_key()
    root = authority.Issuer.load(data / ROOT, data / ROOT_KEY)
    certificate = authority.make_tls_certificate(root, key, hosts, now)
    return authority.key_pem(key) + authority.certificate_pem(certificate)
