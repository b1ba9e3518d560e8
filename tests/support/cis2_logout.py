"""Applications of CIS2 for tests: one that checks everything, and an address that takes logout tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from examples.strict_client import StrictClient, Visit

from spine_stub.cis2 import REALM
from spine_stub.cis2.clients.registry import Client
from spine_stub.cis2.provider import Provider
from spine_stub.stub import Stub

from .spine import Spine

CLIENT_ID, SECRET = "strict", "strict-secret"
CALLBACK = "http://127.0.0.1:5000/callback"
UID = "555000000002"


@dataclass(frozen=True)
class Received:
    """One request that came to an application's logout address."""

    at: float
    """By time.perf_counter."""
    path: str
    headers: Message
    body: bytes

    @property
    def token(self) -> str:
        return parse_qs(self.body.decode())["logout_token"][0]


Answer = Callable[[BaseHTTPRequestHandler], object]


def ok(handler: BaseHTTPRequestHandler) -> None:
    """The answer of Back-Channel Logout 1.0, section 2.8."""
    handler.send_response(200)
    handler.send_header("Cache-Control", "no-store")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


class LogoutAddress:
    """A loopback server that notes what is posted to it, and answers as it is told."""

    def __init__(self, answer: Answer = ok) -> None:
        self.answer, self.received = answer, list[Received]()
        address = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.perf_counter()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                address.received.append(Received(at, self.path, self.headers, body))
                address.answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/logout"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def provider_of(spine: Spine) -> Provider:
    """The CIS2 of a running broker."""
    found = spine.app and Stub.of(spine.app).cis2
    assert found
    return found


def register(spine: Spine, **fields: Any) -> Client:
    """Let the strict client be registered, with these fields of clients.toml."""
    usual = {"id": CLIENT_ID, "name": "Strict", "redirect_uris": (CALLBACK,), "secret": SECRET}
    client = Client(**{**usual, **fields})
    provider_of(spine).clients.add(client)
    return client


def strict(spine: Spine, **settings: Any) -> StrictClient:
    """The strict client of a broker, with the clock of its provider."""
    clock = provider_of(spine).clock
    now = lambda: clock().timestamp()  # noqa: E731
    return StrictClient(spine.url + REALM, CLIENT_ID, SECRET, CALLBACK, str(spine.ca_file), now=now, **settings)


def go(spine: Spine, address: str, browser: requests.Session | None = None) -> str:
    """Where a browser is sent from an address."""
    reply = (browser or requests).get(address, verify=str(spine.ca_file), allow_redirects=False, timeout=10)
    assert reply.status_code == 302, reply.text
    return reply.headers["Location"]


def sign_in(spine: Spine, client: StrictClient, uid: str = UID, **asked: str) -> Visit:
    """Let somebody sign in to the strict client; raises its Refused."""
    return client.finish(go(spine, client.begin(login_hint=uid, **asked)))


@pytest.fixture
def logout_address() -> Iterator[LogoutAddress]:
    """An application's logout address, which answers 200."""
    address = LogoutAddress()
    yield address
    address.close()
