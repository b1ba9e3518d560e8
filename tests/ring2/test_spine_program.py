"""The broker as a program: its one line on stdout, its exit codes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from support.machine import wait_until
from support.spine_client import Card, Client

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(*arguments) runs `python3 -m spine_stub --port 0`; all are ended after the test."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "spine_stub", "--port", "0", *arguments]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "xdg")},
        )  # fmt: skip
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> str:
    """The URL of the ready line."""
    assert process.stdout
    word, _, url = process.stdout.readline().strip().partition(" ")
    assert word == "ready", process.stderr.read() if process.stderr else ""
    return url


def test_an_empty_folder_is_filled_and_served(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    url = ready(start("--data", str(data)))
    assert url.startswith("https://127.0.0.1:")
    assert Client(url, data / "ca.pem").sign_in(Card.load(data, "one-role"))


def test_the_usual_folder_is_the_persons_own(start: Start, tmp_path: Path) -> None:
    ready(start())
    assert (tmp_path / "xdg" / "lanyard" / "ca.pem").exists()


def test_two_first_starts_agree_on_one_folder(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    processes = [start("--data", str(data)) for _ in range(2)]
    card_uses = [Client(ready(process), data / "ca.pem") for process in processes]
    for client in card_uses:
        assert client.sign_in(Card.load(data, "one-role"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_at_once(start: Start, data: Path, number: signal.Signals, code: int) -> None:
    process = start("--data", str(data))
    client = Client(ready(process), data / "ca.pem")
    assert client.get("/healthz").ok  # and the connection stays open
    begun = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - begun < 2
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err


def test_it_can_end_with_its_standard_input(start: Start, data: Path) -> None:
    process = start("--data", str(data), "--stop-with-stdin")
    ready(process)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_it_outlives_its_standard_input_otherwise(start: Start, data: Path) -> None:
    process = start("--data", str(data))
    client = Client(ready(process), data / "ca.pem")
    assert process.stdin
    process.stdin.close()
    process.stdin = None
    assert client.get("/healthz").ok
    assert process.poll() is None


def fails(process: subprocess.Popen[str]) -> str:
    """The one sentence on stderr of a start that is refused."""
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    sentence = err.strip().splitlines()[-1]
    assert sentence.startswith("spine_stub: ")
    assert "Traceback" not in err
    return sentence


def test_a_clinical_application_runs_beside_it(start: Start, data: Path) -> None:
    process = start("--data", str(data), "--app-port", "0")
    url = ready(process)
    assert process.stdout
    word, _, application = process.stdout.readline().strip().partition(" ")
    assert (word, application.partition(":")[0]) == ("application", "https")
    assert application != url
    page = requests.get(application, verify=str(data / "ca.pem"), timeout=10)
    assert "Sign in with your smartcard" in page.text
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_port_in_use_is_said(start: Start, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = fails(start("--data", str(data), "--port", str(port)))
    assert f"127.0.0.1 port {port}: it is in use already" in sentence


def test_a_folder_that_cannot_be_made_is_said(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used: Not a directory" in fails(start("--data", f"{tmp_path}/file/data"))


def test_a_folder_that_is_not_complete_is_said(start: Start, data: Path) -> None:
    (data / "ca" / "issuing.crl.pem").unlink()
    assert "is not complete" in fails(start("--data", str(data)))


def test_people_that_cannot_be_read_are_said(start: Start, data: Path) -> None:
    (data / "people.toml").write_text("[[person]]\nuid = 'x'\n")
    assert "uid is not usable" in fails(start("--data", str(data)))


def test_listening_to_the_network_is_warned_about(start: Start, data: Path) -> None:
    process = start("--data", str(data), "--host", "0.0.0.0")  # noqa: S104 - that is the point
    assert ready(process).startswith("https://0.0.0.0:")
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert "everybody on the network can reach this broker" in err


def test_loopback_only_is_the_rule(start: Start, data: Path) -> None:
    process = start("--data", str(data))
    assert ready(process).startswith("https://127.0.0.1:")
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert "WARNING" not in err


@pytest.mark.parametrize(
    "arguments",
    [["--port", "65536"], ["--port", "x"], ["--idle", "0"], ["--log-level", "loud"], ["--none-such"]],
    ids=" ".join,
)
def test_wrong_usage_exits_2(start: Start, arguments: list[str]) -> None:
    process = start(*arguments)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "usage:" in err


def test_help_has_examples(start: Start) -> None:
    out, _ = start("--help").communicate(timeout=10)
    assert "examples:" in out
    assert "--allow-sha1" in out


def test_the_options_reach_the_broker(start: Start, data: Path) -> None:
    limits = ["--max-session", "90", "--idle", "20"]
    url = ready(start("--data", str(data), "--http", "--allow-sha1", *limits))
    assert url.startswith("http://127.0.0.1:")
    reply = Client(url, data / "ca.pem").validate(Card.load(data, "one-role"), digest="sha1").text
    assert '"sso_max_session_time">90<' in reply
    assert '"sso_session_time">20<' in reply


def test_the_log_can_be_json(start: Start, data: Path) -> None:
    process = start("--data", str(data), "--log", "json")
    client = Client(ready(process), data / "ca.pem")
    ticket = client.sign_in(Card.load(data, "one-role"))
    client.validate(Card.load(data, "revoked"))
    client.get("/login/authlogout", token="a\nb")
    process.terminate()
    _, err = process.communicate(timeout=10)
    lines = [json.loads(line) for line in err.splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    refused = next(line for line in lines if line.get("reason") == "certificate-revoked")
    assert (refused["method"], refused["path"], refused["status"]) == ("POST", "/login/authvalidate", 200)
    assert (refused["uid"], refused["outcome"], refused["client"]) == ("555000000007", "refused", "127.0.0.1")
    assert ticket[10:30] not in err


def test_a_folder_that_cannot_be_written_is_said(start: Start) -> None:
    assert "/proc/lanyard cannot be used: " in fails(start("--data", "/proc/lanyard"))


def test_open_timelines_and_hanging_clients_do_not_hold_up_the_end(start: Start, data: Path) -> None:
    process = start("--data", str(data))
    client = Client(ready(process), data / "ca.pem")
    assert client.http.post(client.url + "/stub/api/faults", json={"fault": "hang", "times": 1}, timeout=5).ok
    with ThreadPoolExecutor(2) as pool:
        hanging = pool.submit(client.get, "/login/authactivate")
        watching = pool.submit(lambda: Client(client.url, client.ca_file).get("/stub/events"))
        wait_until(lambda: Client(client.url, client.ca_file).get("/stub/api/requests").json()["requests"])
        begun = time.monotonic()
        process.terminate()
        process.communicate(timeout=10)
        assert time.monotonic() - begun < 2
        with pytest.raises(requests.RequestException):
            hanging.result(5)
        watching.exception(5)
    assert process.returncode == 0
