"""Whatever an extension or an agent sends, the bridge answers with a typed error, and no unlisted page gets a ticket.

python -m pytest tests/fuzz          a small number of cases, as in every run
tox -e fuzz                          FUZZ_NATIVE_CASES cases of native messages, and as many answers of an agent
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.agent_socket import AgentSocket
from bridge.errors import BridgeError
from bridge.native_host import frames
from bridge.native_host.host import NativeHost
from bridge.settings import EXTENSION_IDS, Settings

CASES = int(os.environ.get("FUZZ_NATIVE_CASES", "900"))
LISTED = "https://app.example"
TICKET = "AQIC5wM2LY4Sfcx"
RIGHT = {"method": "getToken", "data": {}, "origin": LISTED, "id": 1, "protocol": 1}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=10), each, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*RIGHT, "success", "errorCode", "tokenId"]) | st.text(max_size=10)
METHODS = st.sampled_from(["getToken", "getTokenNoAuth", "getBridgeVersion", "getOrigins"])
ORIGINS = st.sampled_from([LISTED, LISTED.upper(), f"{LISTED}/", f"{LISTED}:443", "null", "https://app.example.evil"])
EDITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9), st.binary(max_size=9)), max_size=4)
Test = Callable[..., None]


def cases(share: int, **strategies: Any) -> Callable[[Test], Test]:
    """@given with a share of the cases that were asked for."""

    def decorate(test: Test) -> Test:
        checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
        return settings(max_examples=CASES // share, deadline=None, suppress_health_check=checks)(
            given(**strategies)(test)
        )

    return decorate


class Agent(AgentSocket):
    """An agent that has a ticket, and keeps for which origins it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.origins: list[object] = []

    def call(self, method: str, parameters: dict[str, Any] | None = None, *_: object, **__: object) -> dict[str, Any]:
        self.origins.append((parameters or {}).get("origin"))
        return {"ticket": TICKET}


def edited(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, gone, new in edits:
        at = place % (len(content) + 1)
        content = content[:at] + new + content[at + gone :]
    return content


def check(raw: bytes) -> None:
    """Check that the answer is one of the two kinds, and a ticket only for the listed page."""
    agent = Agent()
    host = NativeHost(EXTENSION_IDS[0], lambda: Settings(origins=frozenset({LISTED})), agent)
    body = frames.read_message(io.BytesIO(host.answer(raw)))
    assert body is not None
    answer = json.loads(body)
    assert ("errorCode" in answer) != (answer.get("success") is True), answer
    assert set(agent.origins) <= {LISTED}
    assert (TICKET.encode() in body) <= (json.loads(raw)["origin"] == LISTED if agent.origins else False)


@cases(3, raw=st.binary(max_size=300) | st.builds(edited, st.just(json.dumps(RIGHT).encode()), EDITS))
def test_bytes_of_any_kind(raw: bytes) -> None:
    check(raw)


@cases(3, values=st.dictionaries(KEYS, JSON | METHODS | ORIGINS, max_size=6), is_right=st.booleans())
def test_objects_of_any_kind(values: dict[str, Any], is_right: bool) -> None:
    check(json.dumps((RIGHT if is_right else {}) | values).encode())


@cases(3, messages=st.lists(st.sampled_from([RIGHT, RIGHT | {"origin": "null"}, {}]), max_size=4), edits=EDITS)
def test_streams_of_any_kind(messages: list[dict[str, Any]], edits: list[tuple[int, int, bytes]]) -> None:
    source = io.BytesIO(edited(b"".join(map(frames.encode, messages)), edits))
    sink = io.BytesIO()
    host = NativeHost(EXTENSION_IDS[0], lambda: Settings(origins=frozenset({LISTED})), Agent())
    with contextlib.suppress(frames.BrokenStream):
        host.serve(source, sink)
    sink.seek(0)
    while (body := frames.read_message(sink)) is not None:
        assert isinstance(json.loads(body), dict)


class Wire:
    """The other end of every connection to the agent: it sends `answer` and nothing more."""

    def __init__(self) -> None:
        self.answer = b""
        self._end = socket.socket()

    def connect(self, _: object) -> socket.socket:
        self.close()
        ours, self._end = socket.socketpair()
        self._end.sendall(self.answer)
        self._end.shutdown(socket.SHUT_WR)
        ours.setblocking(False)
        return ours

    def close(self) -> None:
        self._end.close()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Yield what every AgentSocket is connected to."""
    wire = Wire()
    monkeypatch.setattr("bridge.agent_socket._connect", wire.connect)
    monkeypatch.setattr("bridge.agent_socket.socket_path", lambda: None)
    yield wire
    wire.close()


REPLY = st.fixed_dictionaries({}, optional={"parameters": JSON, "error": JSON, "continues": st.booleans()})
ANSWERS = (
    st.binary(max_size=200)
    | REPLY.map(lambda reply: json.dumps(reply).encode() + b"\0")
    | st.builds(edited, st.just(b'{"parameters": {"ticket": "T"}}\0'), EDITS)
)


@cases(1, answer=ANSWERS)
def test_answers_of_an_agent_of_any_kind(wire: Wire, answer: bytes) -> None:
    wire.answer = answer
    try:
        with AgentSocket() as agent:
            outcome: object = agent.get_ticket_no_auth(LISTED)
    except BridgeError as error:
        outcome = 0 < error.code <= 0xFFFFFFFF and str(error)
    assert outcome
