"""A registered native program on this PC, whose links the bridge answers.

Fixtures: `program_key`, which a module's own `spine` must want so that the broker knows the program; `program`;
`callback`, its port; `settings`, the bridge's; `opens`, which opens a link and has the person agree.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from jwcrypto import jwk

from bridge.authorize.cli import authorize
from bridge.errors import BridgeError
from bridge.registrations import read_clients
from bridge.settings import Settings
from support.machine import wait_until
from support.openid import NativeProgram, register
from support.spine import Spine
from support.ticket_socket import LiveAgent


def question(where: str) -> str:
    """What the person is asked."""
    return f"Ward Board wants to know who you are. The answer goes to {where}. May it?"


@dataclass
class Callback:
    """The program's port on this PC, and what came there."""

    port: int
    answers: list[dict[str, str]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/callback"

    @property
    def question(self) -> str:
        """What the person is asked about it."""
        return question(f"port {self.port} of this PC")

    @property
    def last(self) -> dict[str, str]:
        wait_until(lambda: self.answers, what="an answer")
        return self.answers.pop()


@pytest.fixture
def callback() -> Iterator[Callback]:
    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.answers.append({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        here = Callback(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield here
        server.shutdown()
        thread.join()


@pytest.fixture
def program_key(data: Path) -> jwk.JWK:
    """The program's key; DIR knows the program from now on."""
    return register(data)


@pytest.fixture
def program(spine: Spine, program_key: jwk.JWK) -> NativeProgram:
    return NativeProgram(spine.url, spine.ca_file, program_key)


@pytest.fixture
def settings(spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Settings(
        clients=read_clients(
            {"ward-board": {"name": "Ward Board", "redirect_uris": ["http://127.0.0.1/callback", "wardboard://in"]}}
        ),
        broker=spine.url,
        broker_ca=str(spine.ca_file),
    )


def link(program: NativeProgram, redirect: str, **changed: str) -> str:
    """What the program opens; a field that is empty is left out."""
    fields = {
        "scope": "openid", "response_type": "code", "client_id": "ward-board", "redirect_uri": redirect,
        "state": "st", "nonce": "no", "code_challenge": program.challenge, "code_challenge_method": "S256", **changed,
    }  # fmt: skip
    return "nhsidentityagent://connect/authorize?" + urlencode({name: each for name, each in fields.items() if each})


class Opening:
    """A link that is being opened, while the person does something else."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.error: BridgeError | None = None
        self._thread = threading.Thread(target=self._open, args=(url, settings))
        self._thread.start()

    def _open(self, url: str, settings: Settings) -> None:
        try:
            authorize(url, settings)
        except BridgeError as error:
            self.error = error

    def ends(self) -> BridgeError | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.error


Open = Callable[..., dict[str, str]]


@pytest.fixture
def opens(live: LiveAgent, program: NativeProgram, settings: Settings, callback: Callback) -> Open:
    """Open a link, have the person say yes, and return what came to the redirect."""

    def open_link(**changed: str) -> dict[str, str]:
        opening = Opening(link(program, callback.uri, **changed), settings)
        live.asks(callback.question).answer(True)
        opening.ends()
        return callback.last

    return open_link
