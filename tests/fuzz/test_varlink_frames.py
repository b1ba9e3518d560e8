"""Whatever programs send to the ticket socket, they get typed errors, and the next program gets its answer.

python -m pytest tests/fuzz          a small number of cases, as in every run
tox -e fuzz                          FUZZ_VARLINK_CASES cases of messages, and a tenth as many whole conversations
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.varlink_messages import CALLS, pieces_of

from agent import CODES, Bridge, Call, Conductor, Digest, TicketServer, VarlinkError, encode_reply

CASES = int(os.environ.get("FUZZ_VARLINK_CASES", "1000"))
CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


class Nothing:
    """Neither a reader nor a broker: nobody ever signs in."""

    def close(self) -> None: ...


class Served:
    """A server whose owner's thread is the test's."""

    def __init__(self, path: Path) -> None:
        self.path, self.bridge = path, Bridge()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        source: Any = Nothing()
        self.conductor = Conductor(source, lambda: source, self.bridge, Digest.SHA256)
        self.server = TicketServer(listener, self.conductor, self.bridge)

    def converse(self, pieces: list[bytes]) -> list[dict[str, Any]]:
        """Send these; return the replies."""
        received = b""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.path))
            with contextlib.suppress(BrokenPipeError):
                for piece in pieces:
                    link.sendall(piece)
            link.shutdown(socket.SHUT_WR)
            while data := link.recv(65536):
                received += data
        self.bridge.run_pending()
        *replies, rest = received.split(b"\0")
        assert rest == b""
        return [json.loads(reply) for reply in replies]

    def close(self) -> None:
        self.server.close()
        self.conductor.close()
        self.bridge.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "agent")
    yield served
    served.close()


def is_typed(reply: dict[str, Any]) -> bool:
    return "error" not in reply or reply["parameters"]["code"] in CODES.values()


def handled(message: bytes) -> bytes:
    try:
        Call.parse(message).check()
    except VarlinkError as error:
        return encode_reply(error)
    return encode_reply({})


@settings(max_examples=CASES, deadline=None, suppress_health_check=CHECKS)
@given(message=CALLS)
def test_a_message_is_a_call_or_a_typed_error(message: bytes) -> None:
    assert is_typed(json.loads(handled(message)[:-1]))


@settings(max_examples=max(50, CASES // 10), deadline=None, suppress_health_check=CHECKS)
@given(messages=st.lists(CALLS, min_size=1, max_size=6), data=st.data())
def test_a_conversation_costs_nobody_else_anything(served: Served, messages: list[bytes], data: st.DataObject) -> None:
    replies = served.converse(data.draw(pieces_of(b"\0".join(messages) + b"\0")))
    assert len(replies) <= len(messages)
    assert all(map(is_typed, replies))
    (polite,) = served.converse([b'{"method": "lanyard.Agent.GetTicketNoAuth"}\0'])
    assert polite["parameters"]["code"] == CODES["TicketNotAvailable"]
    assert served.server.is_alive()
