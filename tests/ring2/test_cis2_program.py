"""CIS2 served by the program: beside a broker that has one thread, with what its options say."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from support.cis2 import REDIRECT, Application, private_key

from spine_stub.cis2 import REALM

Start = Callable[..., str]


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    """start(*options) runs the broker on `data`, and returns its address."""
    running: list[subprocess.Popen[str]] = []

    def run(*options: str) -> str:
        command = [sys.executable, "-m", "spine_stub", "--data", str(data), "--port", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        assert process.stdout
        return process.stdout.readline().partition(" ")[2].strip()

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_the_example_works_from_the_first_start(start: Start, data: Path) -> None:
    key = data / "ca" / "cis2.key.pem"
    key.unlink()
    application = Application(start(), data / "ca.pem")
    token = application.token(application.code()).json()
    assert application.claims(token["id_token"])["iss"] == f"{application.url}{REALM}"
    assert oct(os.stat(key).st_mode)[-3:] == "600"


def test_a_key_set_that_does_not_come_holds_nobody_up(start: Start, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        (data / "clients.toml").write_text(
            f'[[client]]\nid = "slow"\nredirect_uris = ["{REDIRECT}"]\n'
            f'jwks_uri = "http://127.0.0.1:{silent.getsockname()[1]}/jwks"\n'
        )
        application = Application(start(), data / "ca.pem", id="slow", key=private_key(), kid="first")
        waiting = pool.submit(application.token, application.code())
        connection, _ = silent.accept()
        with connection:
            reply = requests.get(f"{application.url}/healthz", verify=str(data / "ca.pem"), timeout=3)
            assert (reply.status_code, waiting.done()) == (200, False)
        assert waiting.result().status_code == 401


def test_options_are_heard(start: Start, data: Path) -> None:
    url = start("--http", "--any-client", "--cis2-issuer", "https://example.org:443/realm")
    application = Application(url, data / "ca.pem", id="whoever", secret="whatever")
    token = application.token(application.code()).json()
    assert application.claims(token["id_token"])["iss"] == "https://example.org:443/realm"
    assert "Secure" not in application.authorize().headers["Set-Cookie"]


def test_a_mistake_in_clients_toml_is_said_at_the_start(data: Path) -> None:
    (data / "clients.toml").write_text('[[client]]\nid = "ward"\nsecret = "s"\nlevels = "words"\n')
    command = [sys.executable, "-m", "spine_stub", "--data", str(data), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "client ward: levels: it must be one of text, number" in ended.stderr
