"""Whatever comes over HTTP, the bridge refuses it or answers a listed page: nobody else gets anything, and no 500.

FUZZ_BRIDGE_CASES requests to each of its servers, as bytes over a connection, and as many SignalR calls and requests to
sign, read without one: a few thousand in every run, 200,000 by `tox -e fuzz`.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from support.bridge import FETCH, PAGE
from support.fuzzing import change, repeatable

from bridge.credential_management.signalr import SignalR, read_invocation
from bridge.credential_management.signing_hub import SigningHub, read_request
from bridge.loopback.guard import Guard
from bridge.loopback.server import Server
from bridge.loopback.tickets import BadRequest, Tickets
from bridge.settings import Settings

CASES = int(os.environ.get("FUZZ_BRIDGE_CASES", "2000"))
PORT = 8037
FORM = "application/x-www-form-urlencoded"
SIGN = base64.b64encode(
    b'{"algorithm":"RS256","requestType":1,"version":1,"flags":0,"payloads":[{"id":"1","payload":"x"}]}'
)
CALL = b'data={"H":"signingHub","M":"requestToSign","A":["' + SIGN + b'"],"I":0}'
WORDS = [
    *(b"\r\n", b"\r\n\r\n", b": ", b"null", b"https://evil.example", b"\0", b"\xff", b"GET", b"{", b"[", b"%00"),
    *(
        b"Origin: https://app.example\r\n",
        b"Host: evil\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 1\r\n",
    ),
]


class Asked:
    """In the agent's place: it says yes, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    async def ask(self, *_: object) -> Any:
        self.count += 1
        return "TICKET"


class Wire:
    """A server of the bridge, and connections to it without a network."""

    def __init__(self, make: Callable[[Guard, Any], web.Application]) -> None:
        guard = Guard(Settings(origins=frozenset({PAGE})), PORT)
        self.asked = Asked()
        self.loop = asyncio.new_event_loop()
        self._server = Server(make(guard, self.asked), guard, [])
        self.loop.run_until_complete(self._server.start())

    def send(self, raw: bytes) -> bytes:
        """Return what is said to these bytes on a new connection."""
        return self.loop.run_until_complete(self._send(raw))

    async def _send(self, raw: bytes) -> bytes:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        await self._server._serve(theirs, ("", 0))
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(raw)
        writer.write_eof()
        said = await reader.read()
        writer.close()
        return said

    def close(self) -> None:
        self.loop.run_until_complete(self._server.stop())
        self.loop.close()


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as it goes over the wire; without a length when there is no body."""
    named = {"Host": f"localhost:{PORT}", **headers, **({"Content-Length": str(len(body))} if body else {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-lanyard"}
SEEDS = [
    request("POST", "/ticket", b'{"method": "getTicket"}', **FETCH),
    request("POST", "/ticket", b'{"wait_seconds": 5}', **{**FETCH, "Origin": "https://evil.example"}),
    request("GET", "/health"),
    request("GET", "/health", Origin=PAGE),
    request("OPTIONS", "/ticket", **PREFLIGHT),
    request("GET", "/signalr/negotiate?clientProtocol=2.1", Origin=PAGE),
    request("POST", "/signalr/connect?transport=longPolling&connectionToken=x", Origin=PAGE),
    request("POST", "/signalr/send?connectionToken=x", CALL, Origin=PAGE, **{"Content-Type": FORM}),
]


def cases(seeds: list[bytes]) -> Iterator[bytes]:
    """Yield CASES of them: changed in bytes, in words, or in whole lines."""
    chance = repeatable(20261126)
    for _ in range(CASES):
        raw = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(0, 3)):
            at = chance.randrange(len(raw) + 1)
            match chance.randrange(3):
                case 0:
                    change(raw, chance)
                case 1:
                    raw[at:at] = chance.choice(WORDS)
                case _:
                    lines = bytes(raw).split(b"\r\n")
                    lines.insert(chance.randrange(len(lines)), lines.pop(chance.randrange(len(lines))))
                    raw = bytearray(b"\r\n".join(lines))
        yield bytes(raw)


def is_of_a_listed_page(raw: bytes) -> bool:
    """Whether it has, among its headers, all that a browser sends for a listed page."""
    head = raw.lstrip(b"\r\n").partition(b"\r\n\r\n")[0] + b"\r\n"  # empty lines may come first: RFC 9112, 2.2
    wanted = (
        rb"origin:[ \t]*https://app\.example[ \t]*",
        rb"x-lanyard:.*",
        rb"host:[ \t]*(localhost|127\.0\.0\.1|\[::1\]):8037[ \t]*",
    )
    return all(re.search(rb"(^|\n)" + each + rb"\r?\n", head, re.IGNORECASE) for each in wanted)


def tickets(guard: Guard, asked: Any) -> web.Application:
    return Tickets(guard, asked).application()


def signal_r(guard: Guard, asked: Any) -> web.Application:
    return SignalR(guard, {"signinghub": SigningHub(asked, allow_sha1=False)}).application()


@pytest.mark.parametrize("make", [tickets, signal_r])
def test_no_request_gets_more_than_it_may(make: Callable[[Guard, Any], web.Application]) -> None:
    wire = Wire(make)
    given = 0
    for raw in cases(SEEDS):
        before = wire.asked.count
        said = wire.send(raw)
        assert not said or re.match(rb"HTTP/[01]\.\d (2|4)\d\d ", said), (raw, said)
        if wire.asked.count > before or b"TICKET" in said:
            given += 1
            assert is_of_a_listed_page(raw), raw
        if b"access-control-allow-origin" in said.lower():
            assert PAGE.encode() in raw, raw
    wire.close()
    print(f"\n    {CASES:,} requests, {given:,} of them a listed page's")
    assert (given > 0) == (make is tickets)


def test_signalr_calls_are_read_or_refused() -> None:
    read = 0
    for raw in cases(
        [CALL, b"data=%7B%22H%22%3A%22h%22%2C%22M%22%3A%22m%22%2C%22A%22%3A%5B%5D%2C%22I%22%3A%221%22%7D"]
    ):
        try:
            found = read_invocation(FORM, raw)
        except BadRequest:
            continue
        read += 1
        assert isinstance(found.arguments, list)
        assert isinstance(found.hub + found.method + found.id, str)
    assert read


def test_requests_to_sign_are_read_or_refused() -> None:
    read = 0
    for raw in cases([base64.b64decode(SIGN)]):
        try:
            found = read_request(base64.b64encode(raw).decode())
        except BadRequest:
            continue
        read += 1
        assert found.digest == "sha256"
        assert all(name is not None and payload for name, payload in found.payloads)
    assert read
