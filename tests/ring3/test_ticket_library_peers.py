"""The ticket library in front of an agent that is not there, is somebody else's, hangs, hangs up, or talks rubbish."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.agent_socket import SocketServer
from support.ticket_library import (
    BUSY,
    CALLS,
    NO_AGENT,
    NO_ANSWER,
    NO_SESSION,
    SOURCES,
    Calls,
    Result,
    compiled,
    run_calls,
)

NO_TICKET = (77, "#" * 99)
ANSWER = b'{"parameters":{"ticket":"TICKET"}}\0'
OTHER_USER = """
import os, socket, sys
os.setuid(65534)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
listener.listen()
print("ready", flush=True)
print(listener.accept()[0].recv(99), flush=True)
"""


def ticket(calls: Calls, *before: str) -> Result:
    """Ask for a ticket once; what fails must have left the arguments as they were."""
    *_, said, last = calls("init", *before, "ticket=99", "last")
    assert last.code == said.code
    assert said.code == 0 or (said.used, said.text) == NO_TICKET
    return said


@pytest.mark.parametrize("there", ["nothing", "a folder", "a file", "a dead agent's socket"])
def test_without_an_agent_it_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticket_calls: Calls, there: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "lanyard").mkdir()
    path = tmp_path / "lanyard" / "agent"
    if there == "a folder":
        path.mkdir()
    elif there == "a file":
        path.touch()
    elif there != "nothing":
        SocketServer(tmp_path).close()
    start = time.monotonic()
    assert ticket(ticket_calls).code == NO_AGENT
    assert time.monotonic() - start < 5  # the program's start included; the library's own limits are longer


def test_an_agent_killed_while_it_asks_is_noticed_at_once(socket_server: SocketServer, ticket_calls: Calls) -> None:
    def die(request: object) -> None:
        socket_server.close()

    socket_server.answers = die
    assert ticket(ticket_calls).code == NO_AGENT
    assert ticket(ticket_calls).code == NO_AGENT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_users_socket_is_asked_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticket_calls: Calls
) -> None:
    folder = Path("/tmp") / f"lanyard-{os.getpid()}"  # where the other user may go, unlike pytest's folders
    path = folder / "lanyard" / "agent"
    path.parent.mkdir(parents=True)
    os.chown(path.parent, 65534, 65534)
    command = [sys.executable, "-c", OTHER_USER, str(path)]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            assert other.stdout
            assert other.stdout.readline() == b"ready\n"
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
            assert ticket(ticket_calls).code == NO_AGENT
            assert other.stdout.readline() == b"b''\n"  # it was connected to, and heard nothing
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_set_user_id_program_finds_no_session(socket_server: SocketServer, tmp_path: Path) -> None:
    """Its caller could lead it anywhere by XDG_RUNTIME_DIR."""
    program = compiled(tmp_path / "calls", f"-I{SOURCES}", CALLS, SOURCES / "TicketApi.c")
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    assert [each.code for each in run_calls(program, "init", "last")] == [0, NO_SESSION]


@pytest.mark.parametrize("call", ["ticket=99", "noauth=99", "new=99", "destroy", "agent"])
def test_an_agent_that_hangs_costs_no_more_than_the_limit(
    socket_server: SocketServer, impatient_calls: Calls, call: str
) -> None:
    socket_server.answers = lambda _: None
    assert impatient_calls("init", call, "last")[-1].code == NO_ANSWER


@pytest.mark.parametrize("before", [(), ("alarms",)], ids=["undisturbed", "interrupted every millisecond"])
def test_an_agent_whose_queue_is_full_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient_calls: Calls, before: tuple[str, ...]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "lanyard" / "agent"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))
        assert ticket(impatient_calls, *before).code == BUSY


@pytest.mark.parametrize("before", [(), ("alarms",)], ids=["undisturbed", "interrupted every millisecond"])
def test_an_answer_may_come_byte_by_byte(
    socket_server: SocketServer, ticket_calls: Calls, before: tuple[str, ...]
) -> None:
    socket_server.answers = lambda _: socket_server.drip(ANSWER)
    assert ticket(ticket_calls, *before).text == "TICKET"


@pytest.mark.parametrize("before", [(), ("alarms",)], ids=["undisturbed", "interrupted every millisecond"])
def test_an_agent_that_drips_for_ever_is_cut_off(
    socket_server: SocketServer, impatient_calls: Calls, before: tuple[str, ...]
) -> None:
    """The limit is for the whole answer and not for each byte of it."""
    socket_server.answers = lambda _: socket_server.drip(itertools.repeat(0x20))
    assert impatient_calls("init", *before, "noauth=99")[-1].code == NO_ANSWER


@pytest.mark.parametrize(
    "answer",
    [
        b"\0",
        b"{}{}\0",
        b"[]\0",
        b'"TICKET"\0',
        b"null\0",
        ANSWER[:-2] + b"\0",
        ANSWER.replace(b"{", b"[") + b"\0",
        b'{"parameters":[]}\0',
        b'{"parameters":null}\0',
        b'{"parameters":{"ticket":5}}\0',
        b'{"parameters":{"ticket":["TICKET"]}}\0',
        b'{"parameters":{"ticket":"A","ticket":"B"}}\0',
        b'{"parameters":{"ticket":"A"},"parameters":{"ticket":"B"}}\0',
        b'{"parameters":{"ticket":"TICKET",}}\0',
        b'{"parameters":{ticket:"TICKET"}}\0',
        b'{"parameters":{"ticket":"TICKET"} "x":1}\0',
        b'{"error":null,"parameters":{"ticket":"TICKET"}}\0',
        b'{"parameters":{"ticket":"\xff"}}\0',
        b'{"parameters":{"ticket":"\xc0\xaf"}}\0',
        b'{"parameters":{"ticket":"\xed\xa0\x80"}}\0',
        b'{"parameters":{"ticket":"\xf4\x90\x80\x80"}}\0',
        b'{"parameters":{"ticket":"\xe2\x82"}}\0',
        b'{"parameters":{"ticket":"a\nb"}}\0',
        b'{"parameters":{"ticket":"\\x"}}\0',
        b'{"parameters":{"ticket":"\\u12"}}\0',
        b'{"parameters":{"ticket":"A\\u0000B"}}\0',
        b'{"parameters":{"ticket":"\\ud834"}}\0',
        b'{"parameters":{"ticket":"\\ud834\\u0041"}}\0',
        b'{"parameters":{"ticket":"\\udd1e"}}\0',
        b'{"n":01,"parameters":{"ticket":"TICKET"}}\0',
        b'{"n":1.,"parameters":{"ticket":"TICKET"}}\0',
        b'{"n":1e,"parameters":{"ticket":"TICKET"}}\0',
        b'{"n":+1,"parameters":{"ticket":"TICKET"}}\0',
        b'{"n":NaN,"parameters":{"ticket":"TICKET"}}\0',
        b'{"n":tru,"parameters":{"ticket":"TICKET"}}\0',
        b'{"n":' + b"[" * 9000 + b"\0",
        b'{"n":' + b'{"n":' * 3000 + b"\0",
        b'{"n":' + b"[" * 16 + b"]" * 16 + b',"parameters":{"ticket":"TICKET"}}\0',
        b" " * 16384,
        b" " * 16384 + ANSWER,
        b"x" * (4 << 20),
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_rubbish_is_no_answer(socket_server: SocketServer, ticket_calls: Calls, answer: bytes) -> None:
    def send(request: object) -> None:
        socket_server.send(answer)
        raise ConnectionError

    socket_server.answers = send
    assert ticket(ticket_calls).code == NO_ANSWER


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"parameters":{"ticket":"\\', ANSWER[:-1]])
def test_an_agent_that_hangs_up_amid_its_answer_is_not_running(
    socket_server: SocketServer, ticket_calls: Calls, answer: bytes
) -> None:
    def send(request: object) -> None:
        socket_server.send(answer)
        raise ConnectionError

    socket_server.answers = send
    assert ticket(ticket_calls).code == NO_AGENT


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ANSWER + b"more", "TICKET"),
        (
            b' {"x" : [1, -2.5e+3, 0, {}, [], true, false, null, "\\"\\\\"] ,\n\t"parameters":{"ticket":"TICKET"}} \0',
            "TICKET",
        ),
        (b'{"n":' + b"[" * 15 + b"]" * 15 + b',"parameters":{"ticket":"TICKET"}}\0', "TICKET"),
        (b'{"ticket":"NO","parameters":{"parameters":{"ticket":"NO"},"ticket":"TICKET"}}\0', "TICKET"),
        (b'{"par\\u0061meters":{"\\u0074icket":"\\u0054ICKET"}}\0', "TICKET"),
        (b'{"parameters":{"ticket":"\\ud834\\udd1e\\u20AC\\u00e9\\/"}}\0', "𝄞€é/"),
        (b" " * (16384 - len(ANSWER)) + ANSWER, "TICKET"),
    ],
)
def test_json_is_read_as_the_standard_has_it(
    socket_server: SocketServer, ticket_calls: Calls, answer: bytes, expected: str
) -> None:
    socket_server.answers = lambda _: answer
    assert ticket(ticket_calls).text == expected


def test_no_program_that_the_caller_starts_inherits_the_connection(
    socket_server: SocketServer, ticket_calls: Calls
) -> None:
    flags: list[str] = []

    def look(request: object) -> None:
        files = Path(f"/proc/{socket_server.caller()}/fdinfo")
        flags.extend(file.read_text().split()[3] for file in files.iterdir() if int(file.name) > 2)
        raise ConnectionError

    socket_server.answers = look
    assert ticket(ticket_calls).code == NO_AGENT
    assert flags
    assert all(int(each, 8) & os.O_CLOEXEC for each in flags)


def test_an_agent_that_hangs_up_first_does_not_kill_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticket_calls: Calls
) -> None:
    """Writing to a closed connection ends a program by SIGPIPE, unless that is prevented."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    path = tmp_path / "lanyard" / "agent"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        closing = threading.Thread(target=lambda: listener.accept()[0].close())
        closing.start()
        assert ticket(ticket_calls).code == NO_AGENT
        closing.join()
