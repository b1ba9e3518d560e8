"""Clients of the bridge that are slow, silent or many: each costs its own connection and nobody else's."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from support.bridge import ask
from support.machine import wait_until

from bridge.loopback import server
from bridge.loopback.guard import Guard
from bridge.loopback.server import Server, listen
from bridge.loopback.tickets import Agents, Tickets
from bridge.settings import Settings


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Yield the port of a bridge, in a thread, that has little patience."""
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
    listeners = listen(0)
    guard = Guard(Settings(), listeners[0].getsockname()[1])
    loop = asyncio.new_event_loop()
    agents = Agents()
    bridge = Server(Tickets(guard, agents).application(), guard, listeners)
    loop.run_until_complete(bridge.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield guard.port
    asyncio.run_coroutine_threadsafe(bridge.stop(), loop).result(10)
    agents.stop()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize(
    "begun", [b"", b"GET /health HTTP/1.1\r\nHos", b"POST /ticket HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_request_that_does_not_come_ends(port: int, begun: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(begun)
        assert connection.recv(100) == b""
    assert ask(port, "GET", "/health").status == 200


def test_one_that_comes_byte_by_byte_ends_too(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:

        def is_over() -> bool:
            try:
                connection.sendall(b"x")
            except OSError:
                return True
            return False

        wait_until(is_over, what="the bridge hangs up")


def test_more_than_a_browser_ever_opens_are_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 4)
    many = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    for connection in many:
        assert connection.recv(100) == b""
        connection.close()
    wait_until(lambda: ask(port, "GET", "/health").status == 200, what="there is room again")


def test_localhost_is_ours_by_both_its_addresses(port: int) -> None:
    """Whoever had [::1] would be asked for the ticket by browsers that prefer it."""
    if not socket.has_ipv6:
        pytest.skip("this PC has no IPv6")
    with socket.create_connection(("::1", port), timeout=10) as connection:
        connection.sendall(f"GET /health HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
