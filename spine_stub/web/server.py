"""The web server: HTTP/1.1 over TLS 1.2 or better, for any WSGI application (PEP 3333).

One event loop accepts connections, shakes hands, reads requests and sends replies, so that a client
that is slow, silent or gone costs a little memory and nothing else. A request that is there as a
whole is answered in a thread. connection.py has what happens on one connection.

Python runs one thread at a time. Threads that only compute take the interpreter from each other at every
call into SQLite or OpenSSL, some 90 times in a sign-in, and a fifth of the processor's time goes into that. So an
application that waits for no other machine is given one thread, and its slow pages are answered aside.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import DataError
from .connection import Connection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = logging.getLogger("spine_stub")

THREADS = 16
"""For applications whose requests wait for other machines."""
STREAMS = 48
"""Replies that are sent as they are made, such as open timelines: each has a thread while its next part is made.
Pages that are answered aside share these threads."""
BACKLOG = 128
"""How many may knock at once; one too many tries again after a whole second."""
MOST_CONNECTIONS = 800
"""Below the usual limit of 1,024 open files; the connection that has been idle longest makes room."""
HANDSHAKE_SECONDS = 10.0
_GOODBYE_SECONDS = 1.0
"""How long a client may take to answer the end of TLS."""
_PAUSE_SECONDS = 0.1
"""How long to wait when the process has no file descriptor left."""
_HTTP_ON_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nThis port speaks https only.\n"
)

Greeting = Callable[[str], ssl.SSLContext]
"""Gives the TLS settings for a new connection from an address."""


class Server:
    """A web server. `prepare` it, then `serve` in any thread until somebody calls `stop`."""

    def __init__(
        self,
        app: WSGIApplication,
        host: str,
        port: int,
        greeting: Greeting | None,
        underscored: Container[str] = (),
        threads: int = THREADS,
        aside: tuple[str, ...] = (),
    ) -> None:
        """`greeting` is None for HTTP without TLS; port 0 takes any free one.

        `underscored` are the headers, in small letters, that the application gets although their names have an
        underscore. Paths that begin with one of `aside` are those of its slow pages.
        """
        self.app = app
        self._aside = aside
        self.underscored = underscored
        self._workers = ThreadPoolExecutor(threads, "worker")
        self.streams = ThreadPoolExecutor(STREAMS, "stream")
        self.scheme = "https" if greeting else "http"
        self.host, self.port = host, port
        self._greeting = greeting
        self._stopping = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self.idle: dict[Connection, None] = {}
        """The connections that wait for a request, the one that waits longest first."""

    @property
    def url(self) -> str:
        """Where the server listens; the port is the real one after `prepare`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def threads_for(self, path: str) -> ThreadPoolExecutor:
        """The threads that answer a request for this path."""
        return self.streams if path.startswith(self._aside) else self._workers

    def prepare(self) -> None:
        """Begin to listen; raises DataError."""
        try:
            family, _, _, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            is_ipv6 = family == socket.AF_INET6
            self._listener = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=is_ipv6)
        except OSError as exc:
            why = "it is in use already" if exc.errno == errno.EADDRINUSE else exc
            raise DataError(
                f"cannot listen on {self.host} port {self.port}: {why}. Choose another port; 0 takes any free one"
            ) from exc
        self._listener.setblocking(False)
        # What it accepts has this too; asyncio sets it for no socket that was made without a protocol's number.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()

    def serve(self) -> None:
        """Serve until `stop` is called; then close everything."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._close())
            self._loop.close()

    def stop(self) -> None:
        """Let `serve` return soon; can be called from any thread, and more than once."""
        with suppress(RuntimeError):  # it has returned already
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        accepting = self._loop.create_task(self._accept())
        await self._stopping.wait()
        accepting.cancel()

    async def _close(self) -> None:
        self._listener.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for the sockets to close
        for pool in (self._workers, self.streams):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _accept(self) -> None:
        while True:
            try:
                accepted, address = await self._loop.sock_accept(self._listener)
            except OSError as exc:
                if exc.errno not in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED):
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if len(self._connections) >= MOST_CONNECTIONS and self.idle:
                next(iter(self.idle)).hang_up()
            task = self._loop.create_task(self._converse(accepted, address))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _converse(self, accepted: socket.socket, address: tuple[str, int]) -> None:
        """Shake hands, then answer requests until the connection ends."""
        try:
            streams = await self._shake_hands(accepted, address[0])
        except OSError as exc:
            _log.info("no TLS with %s: %s", address[0], exc)
            return
        try:
            await Connection(self, *streams, address).answer()
        except OSError as exc:
            _log.debug("the connection with %s broke: %s", address[0], exc)

    async def _shake_hands(
        self, accepted: socket.socket, address: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the two streams of a new connection; raises OSError when there is no TLS with the client."""
        reader = asyncio.StreamReader(loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        if self._greeting is None:
            transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        else:
            plain = os.dup(accepted.fileno())  # what asyncio has closed can tell the client nothing more
            try:
                transport, _ = await self._loop.connect_accepted_socket(
                    lambda: protocol,
                    accepted,
                    ssl=self._greeting(address),
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=_GOODBYE_SECONDS,
                )
            except ssl.SSLError as exc:
                if exc.reason == "HTTP_REQUEST":
                    os.write(plain, _HTTP_ON_TLS)
                raise
            finally:
                os.close(plain)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)
