"""Native messages: their frames on a pipe, and what the host answers to each, right, wrong or hostile."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import __version__
from bridge.agent_socket import AgentSocket
from bridge.errors import AgentError, AgentNotRunning, BridgeError, CallerGone, SettingsError, TicketCode
from bridge.native_host import frames
from bridge.native_host.host import HostCode, NativeHost, owner
from bridge.settings import EXTENSION_IDS, Settings

LISTED = "https://app.example"
SETTINGS = Settings(origins=frozenset({LISTED}))
CHROMIUM, FIREFOX = EXTENSION_IDS
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4),
    max_leaves=12,
)


class Agent(AgentSocket):
    """An agent with a ticket, or with an error."""

    def __init__(self, error: BridgeError | None = None) -> None:
        super().__init__()
        self.error = error
        self.asked: list[tuple[str, object]] = []

    def call(self, method: str, parameters: dict[str, Any] | None = None, *_: object, **__: object) -> dict[str, Any]:
        self.asked.append((method, (parameters or {}).get("origin")))
        if self.error:
            raise self.error
        return {"ticket": "TICKET"}


def host(
    agent: Agent | None = None, extension: str = CHROMIUM, settings: Callable[[], Settings] = lambda: SETTINGS
) -> NativeHost:
    return NativeHost(extension, settings, agent or Agent())


def ask(asked: NativeHost, message: object) -> dict[str, Any]:
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    answer = asked.answer(raw)
    assert struct.unpack("=I", answer[:4])[0] == len(answer) - 4
    return dict(json.loads(answer[4:]))


class Dribble(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content, self._sizes = io.BytesIO(content), sizes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self._content.read(min(len(buffer), self._sizes.pop() if self._sizes else len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(1, 9), max_size=40))
def test_messages_come_whole_however_the_pipe_gives_them(messages: list[bytes], sizes: list[int]) -> None:
    content = b"".join(struct.pack("=I", len(each)) + each for each in messages)
    stream = io.BufferedReader(Dribble(content, sizes))
    assert [frames.read_message(stream) for _ in messages] == messages
    assert frames.read_message(stream) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_typed_error(content: bytes) -> None:
    stream = io.BytesIO(content)
    try:
        while frames.read_message(stream) is not None:
            pass
    except (frames.BrokenStream, frames.MessageTooLong):
        pass


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_encoded_is_read_again(message: dict[str, Any]) -> None:
    body = frames.read_message(io.BytesIO(frames.encode(message)))
    assert body is not None
    assert json.dumps(json.loads(body)) == json.dumps(message)


def test_a_long_message_is_read_past() -> None:
    long = struct.pack("=I", frames.MOST_TAKEN + 1) + bytes(frames.MOST_TAKEN + 1)
    stream = io.BytesIO(long + frames.encode({}))
    with pytest.raises(frames.MessageTooLong):
        frames.read_message(stream)
    assert frames.read_message(stream) == b"{}"


@pytest.mark.parametrize(
    "content",
    [b"\x01", b"\x05\0\0\0abc", struct.pack("=I", frames.MOST_FROM_BROWSER + 1), struct.pack("=I", 100_000) + b"x"],
)
def test_what_cannot_be_a_stream_ends_it(content: bytes) -> None:
    with pytest.raises(frames.BrokenStream):
        frames.read_message(io.BytesIO(content))


def test_no_answer_is_longer_than_browsers_take() -> None:
    with pytest.raises(frames.MessageTooLong):
        frames.encode({"data": "x" * frames.MOST_TO_BROWSER})


@pytest.mark.parametrize("extension", EXTENSION_IDS)
def test_a_listed_page_gets_the_ticket(extension: str) -> None:
    agent = Agent()
    asked = host(agent, extension)
    for method in ("getToken", "getTokenNoAuth"):
        answer = ask(asked, {"method": method, "data": {}, "origin": LISTED, "id": 7, "protocol": 1})
        assert answer == {"success": True, "data": {"tokenId": "TICKET"}, "id": 7}
    assert agent.asked == [("GetTicket", LISTED), ("GetTicketNoAuth", LISTED)]


def test_the_version_needs_no_origin() -> None:
    assert ask(host(), {"method": "getBridgeVersion"}) == {"success": True, "data": {"version": __version__}}


def test_the_extension_learns_which_pages_are_listed() -> None:
    assert ask(host(), {"method": "getOrigins"}) == {"success": True, "data": {"origins": [LISTED]}}


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example",
        "https://app.example/",
        "https://app.example.evil.example",
        "https://app.example:444",
        "http://app.example",
        "HTTPS://APP.EXAMPLE",
        "null",
        "",
        None,
        5,
        [LISTED],
        {"origin": LISTED},
    ],
)
def test_an_unlisted_page_gets_nothing_and_the_agent_is_not_asked(origin: object) -> None:
    agent = Agent()
    for method in ("getToken", "getTokenNoAuth"):
        answer = ask(host(agent), {"method": method, "origin": origin})
        assert answer["errorCode"] == HostCode.ORIGIN_REFUSED
    assert ask(host(agent), {"method": "getToken", "data": {"origin": LISTED}})["errorCode"] == HostCode.ORIGIN_REFUSED
    assert agent.asked == []


@pytest.mark.parametrize("extension", ["", "a" * 32, CHROMIUM.upper(), "other@lanyard.example"])
def test_another_extension_gets_nothing(extension: str) -> None:
    agent = Agent()
    for message in ({"method": "getToken", "origin": LISTED}, {"method": "getBridgeVersion"}, {"method": "getOrigins"}):
        assert ask(host(agent, extension), message)["errorCode"] == HostCode.EXTENSION_REFUSED
    assert agent.asked == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", HostCode.INVALID),
        (b"\xff", HostCode.INVALID),
        (b"[" * 60_000, HostCode.INVALID),
        (b"9" * 5000, HostCode.INVALID),
        ([], HostCode.INVALID),
        ("getToken", HostCode.INVALID),
        ({}, HostCode.EMPTY),
        ({"method": ""}, HostCode.EMPTY),
        ({"method": None}, HostCode.EMPTY),
        ({"method": ["getToken"]}, HostCode.INVALID),
        ({"method": "destroyTicket"}, HostCode.INVALID),
        ({"method": "getToken", "origin": LISTED, "protocol": 2}, TicketCode.VERSION_CONFLICT),
        ({"method": "getToken", "origin": LISTED, "protocol": None}, TicketCode.VERSION_CONFLICT),
    ],
)
def test_a_message_that_means_nothing_has_a_code(message: object, code: int) -> None:
    answer = ask(host(), message)
    assert answer["errorCode"] == code
    assert answer["errorDescription"].endswith(".")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AgentNotRunning("The agent is not running."), 0x80800003),
        (AgentError("lanyard.Agent.UserAbort", 0x80400001, "The person said no."), 0x80400001),
        (SettingsError("bridge.toml is not TOML."), 0x80800007),
    ],
)
def test_the_agents_errors_come_through(error: BridgeError, code: int) -> None:
    answer = ask(host(Agent(error)), {"method": "getToken", "origin": LISTED})
    assert answer == {"errorCode": code, "errorDescription": str(error)}


def test_settings_that_cannot_be_read_refuse_and_are_read_again() -> None:
    ways: list[SettingsError] = [SettingsError("bridge.toml is not TOML.")]

    def settings() -> Settings:
        if ways:
            raise ways.pop()
        return SETTINGS

    asked = host(settings=settings)
    assert ask(asked, {"method": "getToken", "origin": LISTED})["errorCode"] == TicketCode.RESOURCE_INVALID
    assert ask(asked, {"method": "getToken", "origin": LISTED})["success"]


def test_the_host_ends_quietly_when_the_browser_has_gone() -> None:
    source = io.BytesIO(frames.encode({"method": "getToken", "origin": LISTED}))
    sink = io.BytesIO()
    host(Agent(CallerGone("gone"))).serve(source, sink)
    assert sink.getvalue() == b""


def test_many_messages_on_one_pipe_are_answered_in_order() -> None:
    messages = b"".join(frames.encode({"method": "getBridgeVersion", "id": number}) for number in range(50))
    too_long = struct.pack("=I", frames.MOST_TAKEN + 1) + bytes(frames.MOST_TAKEN + 1)
    sink = io.BytesIO()
    host().serve(io.BytesIO(messages + too_long + messages), sink)
    sink.seek(0)
    answers = [json.loads(frames.read_message(sink) or b"") for _ in range(101)]
    assert [each.get("id") for each in answers] == [*range(50), None, *range(50)]
    assert answers[50]["errorCode"] == HostCode.INVALID


@pytest.mark.parametrize(
    ("arguments", "extension"),
    [
        ([f"chrome-extension://{CHROMIUM}/"], CHROMIUM),
        ([f"chrome-extension://{CHROMIUM}/", "--parent-window=0"], CHROMIUM),
        (["/usr/lib/mozilla/native-messaging-hosts/uk.nhs.ncrs.auth.json", FIREFOX], FIREFOX),
        ([], ""),
        ([CHROMIUM], ""),
        ([f"https://{CHROMIUM}/"], ""),
        ([f"chrome-extension://{CHROMIUM}/page"], ""),
        (["/only/a/manifest.json"], ""),
    ],
)
def test_the_browser_says_which_extension_asks(arguments: list[str], extension: str) -> None:
    assert owner(arguments) == extension


@given(JSON, st.sampled_from(["getToken", "getTokenNoAuth", "getBridgeVersion"]) | st.text())
def test_no_message_brings_a_ticket_to_an_unlisted_page(origin: object, method: str) -> None:
    answer = ask(host(), {"method": method, "origin": origin, "id": origin})
    assert "TICKET" not in json.dumps(answer)
    assert ("success" in answer) != ("errorCode" in answer)
