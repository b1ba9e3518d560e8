"""The control socket: the contract's JSON, who may open it, and what is not a request."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.emulator import EmulatorProgram, ask, make_card
from support.emulator_links import CardReader

from emulator.service.control import ControlServer, request, serve
from emulator.service.journal import Conversation

Run = Callable[..., EmulatorProgram]
UNREACHABLE = "127.0.0.1:1"


@pytest.fixture
def running(card_folder: Path, run_emulator: Run) -> EmulatorProgram:
    program = run_emulator(card_folder.parents[1], UNREACHABLE)
    assert program.ready()
    return program


@pytest.fixture
def line(running: EmulatorProgram) -> Iterator[Callable[[bytes], dict[str, Any]]]:
    """Send one line on the one connection of the test, return the answer to it."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rwb") as lines:
        connection.connect(str(running.data / "emulator.sock"))

        def ask_it(request: bytes) -> dict[str, Any]:
            lines.write(request)
            lines.flush()
            return json.loads(lines.readline())

        yield ask_it


def test_requests_of_one_connection(line: Callable[[bytes], dict[str, Any]]) -> None:
    reader = {"reader": UNREACHABLE, "connected": False, "card": None, "tries_left": None}
    empty = {"ok": True, **reader, "readers": [reader], "tray": None}
    full = {**reader, "card": "one-role", "tries_left": 3}
    assert line(b'{"command": "status"}\n') == empty
    assert line(b'{"command": "insert", "card": "one-role"}\n') == {**empty, **full, "readers": [full]}
    assert line(b'{"command": "remove"}\n') == empty
    assert line(b'{"command": "remove"}\n') == empty
    (card,) = line(b'{"command": "list"}\n')["cards"]
    assert card["name"] == "one-role"
    assert card["not_after"] == "2035-01-01"


@pytest.mark.parametrize(
    "rubbish",
    [
        *(b"", b"{", b"[]", b"{}", b"null", b"7", b'"status"', b"\xff\xfe", b"[" * 3000),
        *(b'{"command": null}', b'{"command": "fly"}', b'{"command": ["status"]}'),
        *(b'{"command": "insert"}', b'{"command": "insert", "card": {"a": 1}}'),
        b'{"command": "insert", "card": "../cards/one-role"}',
    ],
)
def test_what_is_no_request_gets_a_sentence(rubbish: bytes, line: Callable[[bytes], dict[str, Any]]) -> None:
    answer = line(rubbish + b"\n")
    assert answer["ok"] is False
    assert answer["error"].endswith(".")
    assert line(b'{"command": "status"}\n')["ok"] is True


def test_a_line_without_an_end(running: EmulatorProgram, line: Callable[[bytes], dict[str, Any]]) -> None:
    assert line(b"x" * 100_000) == {"ok": False, "error": "The request is too long."}
    assert request(running.data, command="status")["ok"] is True


def test_connections_do_not_wait_for_each_other(
    running: EmulatorProgram, line: Callable[[bytes], dict[str, Any]]
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(running.data / "emulator.sock"))
        silent.sendall(b'{"command": "st')
        assert line(b'{"command": "status"}\n')["ok"] is True


def test_only_the_user_can_open_it(running: EmulatorProgram) -> None:
    mode = (running.data / "emulator.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_else_is_refused_by_the_file(running: EmulatorProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    running.data.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as connection:
        monkeypatch.chdir(running.data)
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                connection.connect("emulator.sock")
        finally:
            os.seteuid(0)


def test_somebody_else_is_refused_by_the_kernel_s_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer_to_another_user() -> bytes:
        async with serve(tmp_path, ControlServer({}, Conversation())):
            monkeypatch.setattr(os, "geteuid", lambda: 12345)
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "emulator.sock"))
            answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(answer_to_another_user()) == b""


def test_a_dir_deeper_than_a_socket_s_name_may_be(tmp_path: Path, card_reader: CardReader, run_emulator: Run) -> None:
    data = tmp_path.joinpath(*["deep" * 15] * 4)
    make_card(data / "cards" / "one-role")
    assert len(str(data)) > 200
    program = run_emulator(data, card_reader.address)
    assert program.ready()
    assert ask(data, "status").returncode == 0
