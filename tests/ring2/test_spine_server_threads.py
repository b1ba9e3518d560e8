"""The web server's threads: how many answer clients, and what is answered aside."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from spine_stub.config import Config
from spine_stub.web.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECONDS = 20


class App:
    """Answers everybody; a request for /stub/slow waits until it is let go."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self.answered_by: set[str] = set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/stub/slow":
            self.has_begun.set()
            self.may_end.wait(SECONDS)
        else:
            self.answered_by.add(threading.current_thread().name)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


@pytest.fixture
def app() -> Iterator[App]:
    made = App()
    yield made
    made.may_end.set()


@pytest.fixture
def server(app: App) -> Iterator[Server]:
    made = Server(app, "127.0.0.1", 0, None, threads=1, aside=("/stub/",))
    made.prepare()
    thread = threading.Thread(target=made.serve)
    thread.start()
    yield made
    app.may_end.set()
    made.stop()
    thread.join()


def get(server: Server, path: str) -> str:
    return requests.get(server.url + path, timeout=SECONDS).text


def test_a_slow_page_holds_no_client_up(app: App, server: Server) -> None:
    with ThreadPoolExecutor(1) as somebody:
        page = somebody.submit(get, server, "/stub/slow")
        assert app.has_begun.wait(SECONDS)
        assert get(server, "/login/authactivate") == "ok"
        assert not page.done()
        app.may_end.set()
        assert page.result(SECONDS) == "ok"


def test_one_thread_answers_all_clients(app: App, server: Server) -> None:
    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(get, [server] * 40, ["/"] * 40)) == {"ok"}
    assert len(app.answered_by) == 1


@pytest.mark.parametrize(
    ("settings", "asks_others"),
    [
        ({}, False),
        ({"store": "memory"}, False),
        ({"store": "redis://127.0.0.1:6379"}, True),
        ({"store": "unix:///run/redis.sock"}, True),
        ({"directory": "ldaps://127.0.0.1"}, True),
    ],
)
def test_a_broker_that_asks_other_servers_is_known(settings: dict[str, str], asks_others: bool) -> None:
    assert Config(Path("data"), **settings).asks_others is asks_others
