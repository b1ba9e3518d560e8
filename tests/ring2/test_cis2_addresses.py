"""The addresses that applications give us: only this machine's and named ones, and no reply without an end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from threading import Thread

import pytest
from support.spine import Spine

from spine_stub.cis2.clients.addresses import AddressError, Addresses

Talk = Callable[[socket.socket], None]


@contextmanager
def server(talk: Talk) -> Iterator[str]:
    """The address of a server that says what it wants."""
    with ExitStack() as open_now, socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection = open_now.enter_context(closing(listener.accept()[0]))
                connection.recv(65536)
                talk(connection)
                connection.shutdown(socket.SHUT_WR)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/keys?a=b"
        listener.close()


def says(content: bytes) -> Talk:
    return lambda connection: connection.sendall(content)


def dripping(connection: socket.socket) -> None:
    """A header without an end, byte by byte, until the other side has had enough."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    connection.settimeout(0.02)
    with suppress(ConnectionError):
        while True:
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return
            connection.sendall(b"x")


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://example.org/", "http://127.0.0.1.example.org/",
        "http://example.org:80@127.0.0.1/", "http://127.0.0.1@example.org/", "http://10.0.0.1/", "http://169.254.169.254/",
        "http://0.0.0.0/", "http://[::]/", "http://[::ffff:10.0.0.1]/", "http://2130706433/", "http://127.0.0.1:99999/",
        "http://[::1/", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "http://localhost.example.org/", "//x",
    ],
)  # fmt: skip
def test_other_addresses_are_not_called(url: str) -> None:
    with pytest.raises(AddressError):
        Addresses().check(url)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "app.example.org"])
def test_this_machine_and_named_hosts_are_called(host: str) -> None:
    Addresses(["App.example.org"]).check(f"https://{host}:8443/logout?a=b")


def test_an_answer_is_returned_with_its_status() -> None:
    with server(says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nok")) as url:
        answer = Addresses().get(url)
    assert (answer.status, answer.content, answer.headers["Location"]) == (302, b"ok", "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 100, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
     b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
     b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ids=lambda content: content[:40],
)  # fmt: skip
def test_an_answer_that_is_none_or_too_large_is_an_error(content: bytes) -> None:
    with server(says(content)) as url, pytest.raises(AddressError):
        Addresses().get(url)


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(AddressError, match="does not answer"):
        Addresses().get("http://127.0.0.1:1/")


def test_an_answer_that_does_not_end_is_ended() -> None:
    with server(dripping) as url, pytest.raises(AddressError):
        Addresses().get(url, seconds=0.3)


def test_a_certificate_is_checked(spine: Spine) -> None:
    """The broker's own CA is believed: applications can have their certificates from it."""
    url = f"{spine.url}/healthz"
    assert Addresses(authorities=spine.ca_file).get(url).status == 200
    with pytest.raises(AddressError, match="certificate"):
        Addresses().get(url)
