"""The addresses that applications give us to call: this machine's own, and those of hosts that --allow-host names.

No redirect is followed, so that no application can lead a call anywhere else. A reply has a size, and a call as a whole
a time. Certificates are checked: against this system's authorities, and against the broker's own.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ...config import is_loopback

MOST_BYTES = 64 * 1024
_MOST_URI = 2000
SECONDS = 5.0
"""How long a call may take, from the first packet to the last."""


class AddressError(Exception):
    """An address that is not called, or that does not answer; the text is a sentence."""


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Addresses:
    """Calls addresses, where that is allowed. Its methods can be called from any thread, and wait."""

    def __init__(self, allowed_hosts: Collection[str] = (), authorities: Path | None = None) -> None:
        """`authorities` is a PEM file of certificates that are believed beside the system's."""
        self._allowed = {host.lower() for host in allowed_hosts}
        self._authorities = authorities

    def check(self, url: str) -> SplitResult:
        """Take an address apart; raises AddressError when it must not be called."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError as exc:
            raise AddressError(f"{url[:100]!r} is no address") from exc
        if parts.scheme not in ("http", "https") or not host or parts.username is not None or not is_bare(url):
            raise AddressError(f"{url[:100]!r} is no plain http or https address")
        if not is_loopback(host) and host not in self._allowed:
            raise AddressError(f"{host} is not this machine, and --allow-host does not name it")
        return parts

    def get(self, url: str, seconds: float = SECONDS) -> Answer:
        """Fetch an address; raises AddressError."""
        return self.call("GET", url, seconds=seconds)

    def call(
        self, method: str, url: str, body: bytes | None = None, content_type: str = "", seconds: float = SECONDS
    ) -> Answer:
        """Send one request, and return what is answered, a redirect too; raises AddressError."""
        parts = self.check(url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        headers = {"Connection": "close", **({"Content-Type": content_type} if content_type else {})}
        connection = self._connection(parts, seconds)
        try:
            connection.connect()
            with _within(seconds, connection.sock):
                connection.request(method, path, body, headers)
                reply = connection.getresponse()
                content = reply.read(MOST_BYTES + 1)
        except (OSError, HTTPException, ValueError) as exc:
            raise AddressError(f"{parts.scheme}://{parts.netloc} does not answer: {exc or type(exc).__name__}") from exc
        finally:
            connection.close()
        if len(content) > MOST_BYTES:
            raise AddressError(f"{parts.scheme}://{parts.netloc} answers more than {MOST_BYTES} bytes")
        return Answer(reply.status, dict(reply.getheaders()), content)

    def _connection(self, parts: SplitResult, seconds: float) -> HTTPConnection:
        host = str(parts.hostname)
        if parts.scheme == "https":
            return HTTPSConnection(host, parts.port, timeout=seconds, context=self._trust)
        return HTTPConnection(host, parts.port, timeout=seconds)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._authorities and self._authorities.exists():
            context.load_verify_locations(self._authorities)
        return context


@contextmanager
def _within(seconds: float, connected: socket.socket) -> Iterator[None]:
    """End a connection when its time is up, however slowly the other side goes on sending; raises TimeoutError."""
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():  # a reply that ends early can pass for a whole one
        raise TimeoutError(f"it took more than {seconds:g} s")


def is_bare(uri: str) -> bool:
    """Whether an address is made of the characters of RFC 3986 alone and can be sent in a header."""
    return len(uri) <= _MOST_URI and uri.isascii() and uri.isprintable() and not set(uri) & set(' "<>\\^`{|}#')
