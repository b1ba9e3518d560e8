"""Clients that are slow on purpose stop nobody, and are let go; framing that can be read in two ways is refused."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from support.machine import wait_until
from support.spine import Spine
from support.spine_client import gp_object
from support.wire import HEALTHZ, VALIDATE, address, tls

from spine_stub.stub import Stub
from spine_stub.web import connection, server

MANY = 200
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a ClientHello of 512 bytes begins."""
BEGINNINGS = {
    "handshake": HELLO,
    "header": HEALTHZ[:-4] + b"\r\nX: ",
    "body": VALIDATE + b"Content-Length: 60000\r\n\r\n",
}


@contextmanager
def crowd(spine: Spine, where: str) -> Iterator[list[socket.socket]]:
    """Many clients that have begun, and go on with a byte now and then."""
    context = ssl.create_default_context(cafile=str(spine.ca_file))
    over = threading.Event()
    with ExitStack() as stack:
        clients: list[socket.socket] = []
        for _ in range(MANY):
            plain = stack.enter_context(socket.create_connection(address(spine), 10))
            client = plain
            if where != "handshake":
                client = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            client.sendall(BEGINNINGS[where])
            clients.append(client)

        def drip() -> None:
            while not over.wait(0.5):
                for client in clients:
                    try:
                        client.send(b"x")
                    except OSError:
                        over.set()

        dripping = threading.Thread(target=drip)
        dripping.start()
        yield clients
        over.set()
        dripping.join()


@pytest.mark.parametrize("where", BEGINNINGS)
def test_slow_clients_stop_nobody(spine: Spine, where: str) -> None:
    with crowd(spine, where):
        begun = time.monotonic()
        client = spine.client()
        for _ in range(10):
            client.sign_in(spine.card("one-role"))
        assert time.monotonic() - begun < 10, "as long as one of them may take"


@pytest.mark.parametrize("where", BEGINNINGS)
def test_a_slow_client_is_let_go_however_often_it_sends(
    spine: Spine, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.5)

    def is_over() -> bool:
        try:
            client.send(b"x")
        except OSError:
            return True
        return False

    with ExitStack() as stack:
        if where == "handshake":
            client = stack.enter_context(socket.create_connection(address(spine), 10))
        else:
            client = stack.enter_context(tls(spine))
        client.sendall(BEGINNINGS[where])
        wait_until(is_over, what="the connection over")


def test_a_client_that_does_not_read_is_let_go(spine: Spine, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("REPLY_SECONDS", "_GOODBYE_SECONDS"):
        monkeypatch.setattr(connection, limit, 0.2)
    stub.faults.once("huge")
    assert spine._server
    with tls(spine) as client:
        client.sendall(HEALTHZ)
        wait_until(stub.record.exchanges, what="the request")
        wait_until(lambda: not spine._server._connections, what="the connection over")


def test_of_too_many_connections_the_one_idle_longest_makes_room(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    with ExitStack() as stack:
        idle = [stack.enter_context(tls(spine)) for _ in range(3)]
        for each in idle:
            each.sendall(HEALTHZ)
            assert each.recv(65536).startswith(b"HTTP/1.1 200")
        assert spine.client().get("/healthz").ok
        assert idle[0].recv(65536) == b""
        idle[-1].sendall(HEALTHZ)
        assert idle[-1].recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Content-Length: 5\r\nContent-Length: 6\r\n", id="two-lengths"),
        pytest.param(b"Content-Length: 5, 6\r\n", id="two-lengths-in-one"),
        pytest.param(b"Content-Length: +5\r\n", id="signed-length"),
        pytest.param(b"Content-Length: " + b"9" * 5000 + b"\r\n", id="endless-length"),
        pytest.param(b"Transfer-Encoding: gzip, chunked\r\n", id="another-coding"),
        pytest.param(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", id="two-codings"),
        pytest.param(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", id="length-and-chunks"),
        pytest.param(b"Host: evil.test\r\n", id="two-hosts"),
        pytest.param(b"X : y\r\n", id="space-before-colon"),
    ],
)
def test_ambiguous_framing_is_refused(spine: Spine, head: bytes) -> None:
    with tls(spine) as client:
        client.sendall(VALIDATE + head + b"\r\nhello!")
        assert client.recv(65536).split()[1] in (b"400", b"501")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("https://localhost/stub/", b"200"),
        ("https://evil.test/stub/", b"403"),
        ("https://evil.test@localhost/healthz", b"400"),
        ("https:///healthz", b"400"),
        ("https://[::1/healthz", b"400"),
        ("localhost:443", b"400"),
    ],
)
def test_the_host_in_a_target_replaces_the_header(spine: Spine, target: str, status: bytes) -> None:
    """RFC 9112, 3.2.2."""
    with tls(spine) as client:
        client.sendall(HEALTHZ.replace(b"/healthz", target.encode()))
        assert client.recv(65536).split()[1] == status


@pytest.mark.parametrize(
    "host", ["evil.test@localhost", "localhost:1@evil.test", "localhost@", "localhost/x", "[::1]:1x"]
)
@pytest.mark.parametrize("path", ["/login/authactivate", "/healthz", "/nothing", "/stub/"])
def test_a_host_that_hides_another_is_refused(spine: Spine, host: str, path: str) -> None:
    reply = spine.client().http.get(spine.url + path, headers={"Host": host}, timeout=10)
    assert host not in reply.text
    assert reply.status_code == 400


@pytest.mark.parametrize("path", ["/stub/faults/set", "/stub/api/faults", "/login/authvalidate", "/nothing"])
@pytest.mark.parametrize("size", [70_000, 2_000_000])
@pytest.mark.parametrize("in_chunks", [True, False], ids=["in-chunks", "whole"])
def test_a_large_body_is_too_large_everywhere(spine: Spine, path: str, size: int, in_chunks: bool) -> None:
    body = gp_object(uid="x" * size)
    data = iter([body[:1000], body[1000:]]) if in_chunks else body
    reply = spine.client().http.post(spine.url + path, data=data, timeout=10)
    assert reply.status_code == 413
    assert spine.client().get("/healthz").ok
