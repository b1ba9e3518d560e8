"""The tray over HTTP: who may use it, what it says, and that the emulator runs without it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from support.emulator import SELECT_PIV, EmulatorProgram, ask
from support.emulator_links import CardReader
from support.machine import wait_until
from support.tray import events

from emulator.service import control

Run = Callable[..., EmulatorProgram]
STATIC = Path(control.__file__).with_name("static")


@pytest.fixture
def running(card_folder: Path, card_reader: CardReader, run_emulator: Run) -> EmulatorProgram:
    """An emulator with one-role in its reader, and a tray."""
    program = run_emulator(card_folder.parents[1], card_reader.address, "one-role", "--tray", "0")
    card_reader.accept()
    assert program.ready()
    return program


@pytest.fixture
def url(running: EmulatorProgram) -> str:
    return str(wait_until(lambda: control.request(running.data, command="status")["tray"], what="a tray"))


@pytest.fixture
def post(url: str) -> Callable[..., requests.Response]:
    """Press a button, as the page does unless told otherwise."""

    def press(name: str, fields: object = None, **headers: str | None) -> requests.Response:
        said = {"Origin": url.rstrip("/"), "Content-Type": "application/json"}
        said.update({key.replace("_", "-"): value for key, value in headers.items()})
        return requests.post(f"{url}api/{name}", data=json.dumps(fields or {}), headers=said, timeout=10)

    return press


def test_the_page_needs_nothing_from_elsewhere(url: str) -> None:
    page = requests.get(url, timeout=10)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    for path in re.findall(r'(?:href|src)="(/[^"]+)"', page.text):
        assert requests.get(f"{url}{path[1:]}", timeout=10).ok
    assert {file.name for file in STATIC.iterdir()} == {"tray.html", "tray.css", "tray.js"}
    for file in STATIC.iterdir():
        assert not re.search(r"https?://|//[a-z]+\.[a-z]", file.read_text())


def test_only_this_pc_reaches_it(url: str) -> None:
    port = int(url.rstrip("/").rpartition(":")[2])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80", ""])
def test_another_name_for_this_server_is_refused(host: str, url: str, post: Callable[..., requests.Response]) -> None:
    assert requests.get(url, headers={"Host": host}, timeout=10).status_code in (400, 403)
    assert requests.get(f"{url}events", headers={"Host": host}, timeout=10).status_code in (400, 403)
    assert post("remove", Host=host).status_code in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": None},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_page_cannot_press_the_buttons(
    headers: dict[str, str | None], running: EmulatorProgram, post: Callable[..., requests.Response]
) -> None:
    assert post("remove", **headers).status_code == 403
    assert control.request(running.data, command="status")["card"] == "one-role"


def test_another_page_cannot_listen(url: str) -> None:
    said = requests.get(f"{url}events", headers={"Origin": "https://evil.example"}, timeout=10)
    assert said.status_code == 403
    assert "Access-Control-Allow-Origin" not in requests.get(url, timeout=10).headers


def test_the_buttons(running: EmulatorProgram, card_reader: CardReader, post: Callable[..., requests.Response]) -> None:
    assert post("remove").json()["ok"] is True
    assert card_reader.card_is_gone()
    with card_reader.answering_in_background():
        assert post("insert", {"card": "one-role"}).json()["card"] == "one-role"
    refused = post("insert", {"card": "gold"})
    assert (refused.status_code, refused.json()["ok"]) == (409, False)
    assert post("fly").status_code == 404
    assert post("insert", [1]).status_code == 404
    assert post("insert", {"card": "x" * 5000}).status_code == 413


def test_what_is_said_reaches_the_page(url: str, card_reader: CardReader) -> None:
    card_reader.exchange(SELECT_PIV + "00")
    with events(url) as heard:
        kind, overview = next(heard)
        assert kind == "overview"
        assert overview["readers"][0]["card"] == "one-role"
        assert overview["cards"][0]["tries_left"] == 3
        assert next(heard)[1]["says"] == "The card was put in"
        assert next(heard)[1]["says"] == "Choose the identity application (PIV)"
        card_reader.exchange("0020008008303030303030FFFF")
        seen = dict(next(heard) for _ in range(2))
    assert seen["said"]["apdu"] == "00 20 00 80" + " .." * 9
    assert seen["said"]["meaning"] == "wrong passcode or none yet, 2 tries left"
    assert seen["overview"]["cards"][0]["tries_left"] == 2


def test_a_page_that_comes_back_hears_what_it_missed(url: str, card_reader: CardReader) -> None:
    for _ in range(3):
        card_reader.exchange(SELECT_PIV + "00")
    with events(url, **{"Last-Event-ID": "2"}) as heard:
        next(heard)
        assert [next(heard)[1]["number"] for _ in range(2)] == [3, 4]


def test_every_page_hears_and_none_holds_up_the_card(url: str, card_reader: CardReader) -> None:
    with events(url) as one, events(url) as other:
        next(one), next(other)
        for _ in range(500):  # neither reads meanwhile
            assert card_reader.exchange(SELECT_PIV + "00").endswith("9000")
        numbers = [next(one)[1]["number"] for _ in range(501)]
    assert numbers == list(range(1, 502))


def test_ends_while_a_page_listens(running: EmulatorProgram, url: str) -> None:
    with events(url) as heard:
        next(heard)
        running.process.terminate()
        assert running.process.wait(3) == 0


def test_a_taken_port_is_a_warning(card_folder: Path, card_reader: CardReader, run_emulator: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = run_emulator(card_folder.parents[1], card_reader.address, None, "--tray", str(port))
        assert program.ready()
        wait_until(lambda: f"WARNING there is no tray: port {port} is taken" in program.log.read_text())
        assert control.request(program.data, command="status")["tray"] is None


def test_without_aiohttp_it_says_why(
    card_folder: Path, card_reader: CardReader, run_emulator: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aiohttp.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = run_emulator(card_folder.parents[1], card_reader.address, None, "--tray", "0")
    assert program.ready()
    wait_until(lambda: "needs aiohttp (Debian: apt install python3-aiohttp" in program.log.read_text())


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_what_is_no_port(port: str, card_folder: Path) -> None:
    said = ask(card_folder.parents[1], "run", "--tray", port)
    assert said.returncode == 2
    assert "is not a port" in said.stderr
