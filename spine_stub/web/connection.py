"""One connection: its requests, read by h11, and their replies, with the faults that are set for sending them.

A request as a whole has a time limit and a size, so that one which comes byte by byte ends too.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from ..faults import Delivery
from . import wsgi

if TYPE_CHECKING:
    from .server import Server

KEEP_ALIVE_SECONDS = 600.0
"""How long a connection stays open without a request: longer than anyone takes to type a passcode."""
REQUEST_SECONDS = 20.0
"""How long a request may take to come, from its first byte to its last."""
REPLY_SECONDS = 600.0
"""How long a client may take to read a reply; an open timeline has no such limit."""
MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
"""Up to here the application can answer properly; larger bodies are refused here."""
_HANG_SECONDS = 600.0
_LINGER_SECONDS = 2.0
"""How long a client that is refused may go on sending; it would not see the reply otherwise."""
_GOODBYE_SECONDS = 30.0
"""How long a client may take to read the rest of what was sent, once nothing more follows."""
_READ = 64 * 1024


class Connection:
    """A connection whose hands are shaken."""

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: tuple[str, int]
    ) -> None:
        self._server = server
        self._reader, self._writer, self._client = reader, writer, client
        self._address: str = writer.get_extra_info("sockname")[0]
        """Our own end's, which is one of many where the server listens at all of them."""
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)

    async def answer(self) -> None:
        """Answer requests until either side has had enough, then close; raises OSError when the client breaks off."""
        try:
            await self._answer_all()
            self.hang_up()
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._writer.wait_closed()
        except BaseException:
            self._writer.transport.abort()
            raise

    def hang_up(self) -> None:
        """Close as soon as what was written has left."""
        if not self._writer.is_closing():
            self._writer.close()

    async def _answer_all(self) -> None:
        try:
            while await self._answer_one():
                self._http.start_next_cycle()
        except TimeoutError:
            return
        except h11.RemoteProtocolError as exc:
            await self._refuse(HTTPStatus(exc.error_status_hint))
        except ValueError:  # of h11 0.14: a length of too many digits; of urlsplit: a target that is no address
            await self._refuse(HTTPStatus.BAD_REQUEST)

    async def _answer_one(self) -> bool:
        """Answer one request; True when the connection can have another."""
        await self._wait_for_request()
        async with asyncio.timeout(REQUEST_SECONDS):
            request = await self._next_event()
            if not isinstance(request, h11.Request):  # the client has nothing more to ask
                return False
            body = await self._body(request)
        environ = wsgi.environment(request, body, self._server, self._client, self._address)
        loop = asyncio.get_running_loop()
        threads = self._server.threads_for(environ["PATH_INFO"])
        reply = await loop.run_in_executor(threads, wsgi.call, self._server.app, environ)
        if reply.delivery:
            await self._deliver(reply, reply.delivery)
            return False
        await self._send(reply)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _wait_for_request(self) -> None:
        """Wait for the first byte of a request, without a limit that is shorter than a person's patience."""
        if self._http.trailing_data[0]:
            return
        self._server.idle[self] = None
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                self._http.receive_data(await self._reader.read(_READ))
        finally:
            del self._server.idle[self]

    async def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_READ))
        return event  # type: ignore[return-value]

    async def _body(self, request: h11.Request) -> bytes:
        """The whole body; raises RemoteProtocolError when it is too large, or its length is told in two ways."""
        headers = dict(request.headers)
        if b"content-length" in headers and b"transfer-encoding" in headers:  # RFC 9112, 6.1
            raise h11.RemoteProtocolError("a length and chunks")
        _check_size(int(headers.get(b"content-length", 0)))
        body = b""
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            _check_size(len(body))
        return body

    async def _send(self, reply: wsgi.Reply) -> None:
        head = self._http.send(reply.head) or b""
        if reply.content is None:
            self._writer.write(head)
            await self._stream(reply)
        else:
            body = self._http.send(h11.Data(data=reply.content)) or b""
            end = self._http.send(h11.EndOfMessage()) or b""
            self._writer.write(head + body + end)  # one write, so one TLS record
        async with asyncio.timeout(REPLY_SECONDS):
            await self._writer.drain()

    async def _stream(self, reply: wsgi.Reply) -> None:
        """Send the parts of a reply as they are made, until the client hangs up."""
        loop = asyncio.get_running_loop()
        hung_up = loop.create_task(self._hung_up())
        hung_up.add_done_callback(lambda _: reply.close())
        parts = iter(reply.parts)
        try:
            while (part := await loop.run_in_executor(self._server.streams, next, parts, None)) is not None:
                if hung_up.done():
                    return
                self._write(h11.Data(data=part))
                async with asyncio.timeout(REPLY_SECONDS):
                    await self._writer.drain()
            self._write(h11.EndOfMessage())
        finally:
            hung_up.cancel()
            reply.close()

    async def _deliver(self, reply: wsgi.Reply, delivery: Delivery) -> None:
        """Send a reply late, in part, or not at all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_HANG_SECONDS if delivery.after is None else delivery.after):
                return await self._hung_up()
        if delivery.after is not None and delivery.head:
            content = reply.content or b""
            head = self._http.send(reply.head) or b""
            self._writer.write(head + content[: int(len(content) * delivery.share)])
            await self._writer.drain()

    async def _refuse(self, status: HTTPStatus) -> None:
        """Say what is wrong with a request that could not be read, and let the client finish talking."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = f"{status.phrase}\n".encode("ascii")
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Connection", "close")]
        self._write(h11.Response(status_code=status, headers=headers, reason=status.phrase))
        self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._writer.drain()
                await self._hung_up()

    async def _hung_up(self) -> None:
        """Wait until the client closes its side; whatever it still sends is thrown away."""
        while await self._reader.read(_READ):
            pass

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise h11.RemoteProtocolError("the body is too large", error_status_hint=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
