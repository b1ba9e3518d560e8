"""Bytes on a broker's port, for what no HTTP library sends."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager

from .spine import Spine

VALIDATE = b"POST /login/authvalidate HTTP/1.1\r\nHost: localhost\r\n"
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def address(spine: Spine) -> tuple[str, int]:
    return "127.0.0.1", int(spine.url.rpartition(":")[2])


@contextmanager
def tcp(spine: Spine) -> Iterator[socket.socket]:
    with closing(socket.create_connection(address(spine), 10)) as connection:
        yield connection


@contextmanager
def tls(spine: Spine, context: ssl.SSLContext | None = None, name: str = "localhost") -> Iterator[ssl.SSLSocket]:
    context = context or ssl.create_default_context(cafile=str(spine.ca_file))
    with tcp(spine) as plain, context.wrap_socket(plain, server_hostname=name) as wrapped:
        yield wrapped
