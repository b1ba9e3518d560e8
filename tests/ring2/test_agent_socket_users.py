"""Whose programs the ticket socket answers, and what it says of them."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.machine import need, unavailable, wait_until
from support.ticket_socket import NO_AUTH, ORPHAN, LiveAgent, OtherProgram, error_name

import agent

NOBODY = 65534  # the user of that name


@pytest.fixture
def ticket(live: LiveAgent) -> str:
    return live.signs_in()


@pytest.fixture
def as_nobody() -> tuple[str, ...]:
    """What is put before a command that another user is to run."""
    need("setpriv")
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
    if os.geteuid() or subprocess.run([*user, sys.executable, "-c", ""], capture_output=True, check=False).returncode:
        unavailable("nobody else can run Python here")
    return user


def test_another_user_cannot_reach_the_socket(live: LiveAgent, ticket: str, as_nobody: tuple[str, ...]) -> None:
    with OtherProgram(live, *as_nobody) as other:
        assert not other.is_connected
    assert b"PermissionError" in other.complaint


def test_another_user_who_reaches_the_socket_gets_no_ticket(
    live: LiveAgent, ticket: str, as_nobody: tuple[str, ...]
) -> None:
    """Where somebody has opened up the folder, and the socket."""
    for path in (live.path.parent.parent, live.path.parent, live.path):
        path.chmod(0o777)
    with OtherProgram(live, *as_nobody) as other:
        assert other.is_connected
        said = other.call(NO_AUTH)
        assert error_name(json.loads(said.rstrip(b"\0"))) == "UserNotValid"
        assert ticket.encode() not in said


def test_the_program_that_asks_is_named(live: LiveAgent) -> None:
    with live.dialogue() as caller:
        caller.send("GetTicket")
        assert live.asks().who == os.path.realpath(sys.executable)


def test_a_program_that_has_ended_is_not_taken_for_another(live: LiveAgent) -> None:
    """Its child goes on with the connection, and its number is given to a new program sooner or later."""
    with OtherProgram(live, script=ORPHAN) as other:
        other.process.wait(10)
        (caller,) = wait_until(lambda: live.server._callers, what="a caller")
        assert caller.program() == "a program that is not known"


@pytest.mark.parametrize(
    ("error", "program"),
    [(errno.ENOPROTOOPT, os.path.realpath(sys.executable)), (errno.EINVAL, "a program that is not known")],
)
def test_a_linux_that_has_no_descriptors_of_callers(error: int, program: str) -> None:
    """Before 6.5 only the number is known; later ones say so where the caller is gone."""

    class Link(socket.socket):
        def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
            if option == agent.SO_PEERPIDFD:
                raise OSError(error, "")
            return super().getsockopt(level, option, size)

    ours, theirs = socket.socketpair()
    with theirs, Link(fileno=ours.detach()) as link:
        assert agent.Caller(link, ()).program() == program


def test_a_program_that_hides_its_memory_is_named_by_its_command(
    live: LiveAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `agent.py ticket` and the bridge do: the link to the program is then nobody's but root's."""

    def hidden(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(agent.os, "readlink", hidden)
    with OtherProgram(live):
        (caller,) = wait_until(lambda: live.server._callers, what="a caller")
        assert caller.program().startswith(f"{sys.executable} -c import os, select, socket, sys")
