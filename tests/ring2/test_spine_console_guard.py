"""Nobody but people on this machine uses the console, and no other site's page does so for them."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from support.spine_client import Client
from werkzeug.test import Client as Wsgi

from bridge.loopback.owner import owner_of_connection
from spine_stub import Config, SpineStub, create_app
from spine_stub.console import API, PAGES, guard

IsOwner = Callable[[tuple[str, int], tuple[str, int]], bool]


def is_own_connection(far: tuple[str, int], near: tuple[str, int]) -> bool:
    """What the bridge asks of a connection."""
    return owner_of_connection(near, far) == os.getuid()


CHANGES = [rule.replace("<uid>", "555000000002") for rule, method, _ in PAGES + API if method == "POST"]
ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://127.0.0.1:1"},
    {},
]


@pytest.fixture(scope="module")
def app(demo_data: Path) -> Flask:
    return create_app(Config(demo_data, store="memory"))


@pytest.fixture
def client(spine_stub: SpineStub) -> Client:
    return Client(spine_stub.url, spine_stub.ca_file)


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_no_other_site_changes_anything(
    spine_stub: SpineStub, client: Client, path: str, headers: dict[str, str]
) -> None:
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    reply = client.post(path, b"fault=hang&cn=X&session=00000000", headers=form)
    assert reply.status_code == 403
    assert reply.text.startswith("The console says no: ")
    assert not spine_stub.faults.settings()


@pytest.mark.parametrize("path", [path for path in CHANGES if path.startswith("/stub/api/")])
@pytest.mark.parametrize("headers", ELSEWHERE[:-1], ids=str)
def test_json_does_not_help_another_site(
    spine_stub: SpineStub, client: Client, path: str, headers: dict[str, str]
) -> None:
    reply = client.post(path, b'{"fault": "hang"}', headers={**headers, "Content-Type": "application/json"})
    assert reply.status_code == 403


@pytest.mark.parametrize("path", CHANGES)
def test_nothing_changes_by_get(spine_stub: SpineStub, client: Client, path: str) -> None:
    assert client.get(path).status_code in (200, 404, 405)
    assert not spine_stub.faults.settings()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8443", "127.0.0.1.evil.example", "192.168.0.1", "[::2]"]
)
@pytest.mark.parametrize("path", ["/stub/", "/stub/api/faults", "/stub/events"])
def test_another_name_for_this_machine_is_refused(spine_stub: SpineStub, client: Client, host: str, path: str) -> None:
    """DNS rebinding: a page of evil.example, whose name now leads here."""
    assert client.http.get(spine_stub.url + path, headers={"Host": host}, timeout=10).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8443"])
def test_the_names_of_loopback_are_taken(spine_stub: SpineStub, client: Client, host: str) -> None:
    assert client.http.get(spine_stub.url + "/stub/", headers={"Host": host}, timeout=10).status_code == 200


@pytest.mark.parametrize("address", ["192.168.0.7", "10.0.0.1", "::2", "", "::ffff:10.0.0.1"])
def test_only_this_machine_gets_in(app: Flask, address: str) -> None:
    """Even where the broker listens to the network; clients are served there as ever."""
    wsgi = Wsgi(app)
    environ = {"REMOTE_ADDR": address}
    assert wsgi.get("/stub/", base_url="https://127.0.0.1", environ_overrides=environ).status_code == 403
    assert wsgi.get("/healthz", base_url="https://127.0.0.1", environ_overrides=environ).status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_gets_in(app: Flask, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(guard, "is_owner", lambda client, *_: client == (address, 1))
    environ = {"REMOTE_ADDR": address, "REMOTE_PORT": "1", "SERVER_ADDR": address}
    assert Wsgi(app).get("/stub/", base_url="https://localhost", environ_overrides=environ).status_code == 200


def test_who_cannot_be_told_does_not_get_in(app: Flask) -> None:
    """As under a web server that does not say from which port a request comes."""
    environ = {"REMOTE_ADDR": "127.0.0.1"}
    assert Wsgi(app).get("/stub/", base_url="https://localhost", environ_overrides=environ).status_code == 403


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
@pytest.mark.parametrize(("user", "code"), [(None, "200"), (65534, "403")], ids=["own", "another"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("path", ["/stub/", "/stub/api/sessions", "/stub/events"])
def test_another_local_user_does_not_get_in(
    spine_stub: SpineStub, user: int | None, code: str, host: str, path: str
) -> None:
    address = spine_stub.url.replace("127.0.0.1", host) + path
    command = ["curl", "--insecure", "--silent", "--include", "--no-buffer", "--max-time", "10", address]
    with subprocess.Popen(command, user=user, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout
        status = curl.stdout.readline()
        curl.terminate()  # a stream of events has no end
    assert status.split()[1:2] == [code]


def test_a_socket_that_is_closed_already_has_no_owner() -> None:
    """The table says root of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        far = client.getsockname()
        accepted, _ = server.accept()
        assert guard.is_owner(far, server.getsockname())
        accepted.close()
        client.close()
        assert not guard.is_owner(far, server.getsockname())


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_owner_is_known_whatever_the_family(family: socket.AddressFamily, address: str) -> None:
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.socket(family) as client,
    ):
        port = server.getsockname()[1]
        client.connect((address, port))
        accepted, far = server.accept()
        with accepted:
            near = accepted.getsockname()
            assert guard.is_owner(far[:2], near[:2])
            assert not guard.is_owner(far[:2], (near[0], port + 1))


@pytest.mark.parametrize("is_owner", [guard.is_owner, is_own_connection], ids=["console", "bridge"])
def test_another_connection_from_the_same_port_is_not_taken_for_this_one(is_owner: IsOwner) -> None:
    """One user's connection to another address of this PC can have the port that a stranger's has here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            socket.create_server(("127.0.0.2", port)) as other,
            socket.create_connection(other.getsockname()) as client,
        ):
            far = client.getsockname()
            assert is_owner(far, other.getsockname())
            assert not is_owner(far, server.getsockname())


def test_other_sites_pages_do_not_embed_or_read_it(spine_stub: SpineStub, client: Client) -> None:
    reply = client.get("/stub/")
    assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert "Set-Cookie" not in reply.headers
    for mode, code in (("no-cors", 403), ("cors", 403), ("navigate", 200)):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
        assert client.http.get(spine_stub.url + "/stub/api/faults", headers=headers, timeout=10).status_code == code


def test_our_own_page_and_programs_may(spine_stub: SpineStub, client: Client) -> None:
    own = {
        "Sec-Fetch-Site": "same-origin",
        "Origin": spine_stub.url,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert client.post("/stub/faults/set", b"fault=hang&when=standing", headers=own, allow_redirects=False).ok
    program = {"Content-Type": "application/json"}
    assert client.post("/stub/api/faults", b'{"fault": "hang"}', headers=program).ok
    assert len(spine_stub.faults.settings()) == 2
