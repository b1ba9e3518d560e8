"""The web server: TLS, connections kept open, and clients that misbehave."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from statistics import median

import pytest
import requests
from support.spine import Spine, SpineFactory
from support.wire import HEALTHZ, VALIDATE, address, tcp, tls


def old_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(spine: Spine, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError), tls(spine, old_context(version)):
        pass


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_tls_is_taken(spine: Spine, version: ssl.TLSVersion) -> None:
    with tls(spine, old_context(version)) as connection:
        connection.sendall(HEALTHZ)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_certificate_fits_the_addresses(spine: Spine, host: str) -> None:
    with tls(spine, name=host) as connection:
        connection.sendall(HEALTHZ)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_trust_the_ca_is_not_served(spine: Spine) -> None:
    with pytest.raises(ssl.SSLCertVerificationError), tls(spine, ssl.create_default_context()):
        pass


def test_a_connection_serves_many_requests_each_in_one_record(spine: Spine) -> None:
    """Head and body leave together: one read gets the whole reply."""
    with tls(spine) as connection:
        for _ in range(20):
            connection.sendall(HEALTHZ)
            reply = connection.recv(65536)
            assert reply.startswith(b"HTTP/1.1 200")
            assert reply.endswith(b"\r\n\r\nok\n")


def milliseconds_to_reply(connection: http.client.HTTPSConnection) -> float:
    started = time.perf_counter()
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok\n"
    return (time.perf_counter() - started) * 1000


def test_the_first_reply_waits_for_no_acknowledgement(spine: Spine) -> None:
    """Linux delays those by 40 ms, and TLS 1.3 sends session tickets just before the first reply."""
    first, second = [], []
    context = ssl.create_default_context(cafile=str(spine.ca_file))
    for _ in range(9):
        with contextlib.closing(http.client.HTTPSConnection(*address(spine), context=context)) as connection:
            connection.connect()
            first.append(milliseconds_to_reply(connection))
            second.append(milliseconds_to_reply(connection))
    assert median(first) < 10 * median(second)


def test_a_reply_without_a_body_leaves_too(spine: Spine) -> None:
    with tls(spine) as connection:
        connection.sendall(HEALTHZ.replace(b"GET", b"HEAD"))
        assert connection.recv(65536).endswith(b"\r\n\r\n")


def test_silent_clients_hold_nobody_up(spine: Spine) -> None:
    """More of them than there are threads: some before the handshake, some after it."""
    context = ssl.create_default_context(cafile=str(spine.ca_file))
    silent = [socket.create_connection(address(spine), 10) for _ in range(20)]
    shaken = [
        context.wrap_socket(socket.create_connection(address(spine), 10), server_hostname="localhost")
        for _ in range(20)
    ]
    try:
        assert spine.client().get("/healthz").ok
    finally:
        for connection in silent + shaken:
            connection.close()


def test_http_on_the_tls_port_is_told_so(spine: Spine) -> None:
    with tcp(spine) as connection:
        connection.sendall(HEALTHZ)
        assert b"This port speaks https only" in connection.makefile("rb").read()


def test_http_is_served_when_asked_for(spine_factory: SpineFactory) -> None:
    spine = spine_factory(tls=False)
    assert spine.url.startswith("http://127.0.0.1:")
    assert requests.get(f"{spine.url}/healthz", timeout=10).text == "ok\n"


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x16\x03\x01\x00\x05hello", id="half-a-handshake"),
        pytest.param(b"\x00" * 1000, id="zeros"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another-protocol"),
    ],
)
def test_junk_before_tls_leaves_the_server_as_it_was(spine: Spine, junk: bytes) -> None:
    for _ in range(20):
        with tcp(spine) as connection:
            connection.sendall(junk)
    assert spine.client().get("/healthz").ok


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"\r\n\r\n", id="blank"),
        pytest.param(b"GET\r\n\r\n", id="no-path"),
        pytest.param(b"GET /healthz HTTP/9.9\r\n\r\n", id="version"),
        pytest.param(b"GET /%ff%00 HTTP/1.1\r\nHost: a\r\n\r\n", id="path"),
        pytest.param(b"GET /healthz?%ff=%zz HTTP/1.1\r\nHost: a\r\n\r\n", id="query"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", id="no-host"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost\r\n\r\n", id="header"),
        pytest.param(HEALTHZ[:-4] + b"\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", id="long-header"),
        pytest.param(VALIDATE + b"Content-Length: x\r\n\r\n", id="length"),
        pytest.param(VALIDATE + b"Content-Length: -5\r\n\r\n", id="negative-length"),
        pytest.param(VALIDATE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="chunk-size"),
        pytest.param(VALIDATE + b"Content-Length: 99999999\r\n\r\n", id="huge"),
    ],
)
def test_bad_http_gets_no_500(spine: Spine, junk: bytes) -> None:
    with tls(spine) as connection:
        connection.sendall(junk)
        assert not connection.recv(65536).startswith(b"HTTP/1.1 500")
    assert spine.client().get("/healthz").ok


def test_a_body_cut_short_is_nobodys_fault(spine: Spine) -> None:
    head = VALIDATE + b"Content-Length: 100\r\n\r\n<gpO"
    for _ in range(20):
        with tls(spine) as connection:
            connection.sendall(head)
    assert spine.client().get("/healthz").ok
