"""Callers that hang, flood, send rubbish or go away cost nobody else anything."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import select
import socket
import threading
from collections.abc import Iterator

import pytest
from support.machine import wait_until
from support.ticket_socket import NO_AUTH, Dialogue, LiveAgent, OtherProgram, error_name

import agent
from agent import SessionEvent, State


@pytest.fixture
def ticket(live: LiveAgent) -> Iterator[str]:
    """The ticket of a live session, which a polite caller must get at the end of the test as at its beginning."""
    ticket = live.signs_in()
    yield ticket
    assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.conductor.state is State.SIGNED_IN


@pytest.mark.parametrize("rubbish", [b"\0", b"GET / HTTP/1.1\r\n\r\n\0", b"{}\0", b"\xff\0", b"[" * 9999 + b"\0"])
def test_rubbish_is_told_so_and_hung_up_on(live: LiveAgent, ticket: str, rubbish: bytes) -> None:
    with live.dialogue() as caller:
        caller.link.sendall(rubbish + NO_AUTH)
        assert error_name(caller.receive()) == "InvalidParameter"
        assert caller.is_over()


def test_a_message_without_end_is_hung_up_on(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as caller:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            caller.link.sendall(b"x" * (agent.LONGEST_MESSAGE + 5000))
        assert error_name(caller.receive()) == "InvalidParameter"
        assert caller.is_over()


async def taken_in(turns: int, link: socket.socket) -> int:
    """How many pieces are taken of what a caller has sent while others have so many turns."""
    caller, taken = agent.Caller(link, ()), []

    async def take_all() -> None:
        while True:
            await caller.news()
            taken.append(1)

    task = asyncio.create_task(take_all())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    return len(taken)


def test_who_sends_much_lets_others_go_first() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(bytes(10 * 4096))
        assert asyncio.run(taken_in(5, ours)) in (4, 5)


def test_one_byte_at_a_time_is_a_message_too(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as slow:
        for byte in NO_AUTH:
            slow.link.sendall(bytes([byte]))
            assert live.call("GetTicketNoAuth")["parameters"]["ticket"] == ticket
        assert slow.receive()["parameters"]["ticket"] == ticket


def test_calls_in_one_piece_are_answered_in_order(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as caller:
        calls = [{"method": f"lanyard.Agent.{n}"} for n in range(200)] + [{"method": "lanyard.Agent.GetTicketNoAuth"}]
        caller.link.sendall(b"".join(json.dumps(call).encode() + b"\0" for call in calls))
        caller.link.shutdown(socket.SHUT_WR)
        answers = [caller.receive() for _ in calls]
        assert [each["parameters"]["method"] for each in answers[:-1]] == [call["method"] for call in calls[:-1]]
        assert answers[-1] == {"parameters": {"ticket": ticket}}
        assert caller.is_over()


def test_a_oneway_call_is_not_answered(live: LiveAgent, ticket: str) -> None:
    with live.dialogue() as caller:
        caller.send("Show", flags={"oneway": True})
        caller.send("Nothing", flags={"oneway": True})
        assert caller.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
    assert live.shown == 1


def test_who_never_reads_is_not_served_for_ever(live: LiveAgent, ticket: str) -> None:
    with live.dialogue(1) as deaf:
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                deaf.link.sendall(NO_AUTH)
        (served,) = live.server._callers
        assert len(served._received) <= agent.LONGEST_MESSAGE + 4096


def test_a_watcher_that_does_not_read_misses_events_and_can_tell(live: LiveAgent, ticket: str) -> None:
    role_changed = SessionEvent("role_changed", live.conductor.signed_in(), "")
    with live.dialogue() as deaf, live.dialogue() as reads:
        for watcher in (deaf, reads):
            watcher.send("Watch", flags={"more": True})
            watcher.receive()
        for n in range(5000):
            live.server._call(live.server._tell, role_changed)
            assert reads.receive()["parameters"]["sequence"] == n + 2
        numbers = [deaf.receive()["parameters"]["sequence"]]
        while numbers[-1] < 5001:
            numbers.append(deaf.receive()["parameters"]["sequence"])
        assert numbers[0] == 2
        assert len(numbers) < 5000


def test_who_goes_away_is_asked_for_no_longer(live: LiveAgent) -> None:
    with live.dialogue() as first, live.dialogue() as second:
        first.send("GetTicket", origin="https://first.example")
        assert live.asks().who == "https://first.example"
        second.send("GetTicket", origin="https://second.example")
        first.close()
        wait_until(lambda: live.asked and live.asked.who == "https://second.example", what="the second one asking")
    wait_until(lambda: live.asked is None, what="nothing asked any more")


def test_who_goes_away_in_the_middle_of_a_message(live: LiveAgent, ticket: str) -> None:
    for end in range(0, len(NO_AUTH), 7):
        with live.dialogue() as caller:
            caller.link.sendall(NO_AUTH[:end])
    wait_until(lambda: not live.server._callers, what="no caller left")


def test_a_thousand_callers_at_once_are_all_answered(live: LiveAgent, ticket: str) -> None:
    callers = [live.dialogue(30) for _ in range(1000)]
    for caller in callers:
        caller.send("GetTicketNoAuth")
    assert {caller.receive()["parameters"]["ticket"] for caller in callers} == {ticket}
    for caller in callers:
        caller.close()


def has_something(link: socket.socket) -> bool:
    """Whether there is something to read."""
    poll = select.poll()
    poll.register(link, select.POLLIN)
    return bool(poll.poll(0))


def test_a_thousand_who_want_a_sign_in_are_answered_or_refused(live: LiveAgent) -> None:
    callers = {caller.link: caller for caller in (live.dialogue(30) for _ in range(1000))}
    for caller in callers.values():
        caller.send("GetTicket")
    refused: list[Dialogue] = []

    def all_are_refused() -> bool:
        refused[:] = [caller for link, caller in callers.items() if has_something(link)]
        return len(refused) == 1000 - agent.MOST_OPEN_CALLS

    wait_until(all_are_refused, 30, "a refusal for the others")
    assert {error_name(caller.receive()) for caller in refused} == {"ServerBusy"}
    ticket = live.signs_in()
    waited = [caller for caller in callers.values() if caller not in refused]
    assert {caller.receive()["parameters"]["ticket"] for caller in waited} == {ticket}
    for caller in callers.values():
        caller.close()


def test_a_program_with_too_many_connections_loses_its_oldest(
    live: LiveAgent, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of other programs, and those with an open call, stay."""
    monkeypatch.setattr(agent, "MOST_CALLERS", 20)
    with OtherProgram(live) as other, live.dialogue() as watcher:
        watcher.send("Watch", flags={"more": True})
        watcher.receive()
        idle = [live.dialogue() for _ in range(40)]
        assert idle[0].is_over()
        assert idle[-1].call("GetTicketNoAuth")["parameters"]["ticket"] == ticket
        assert ticket.encode() in other.call(NO_AUTH)
        live.server._call(live.server._tell, SessionEvent("role_changed", live.conductor.signed_in(), ""))
        assert watcher.receive()["parameters"]["event"] == "role_changed"
        for each in idle:
            each.close()


class Exhausted:
    """A listener in a process that can open no more files, until one is closed."""

    def __init__(self, live: LiveAgent, monkeypatch: pytest.MonkeyPatch) -> None:
        self._listener, self._server = live.server._listener, live.server
        self._before = len(self._server._callers)
        monkeypatch.setattr(live.server, "_listener", self)

    def accept(self) -> tuple[socket.socket, object]:
        if len(self._server._callers) >= self._before:
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()

    def close(self) -> None:
        self._listener.close()


def test_where_no_more_files_can_be_opened_an_idle_caller_goes(
    live: LiveAgent, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live.dialogue() as idle:
        idle.call("GetStatus")
        Exhausted(live, monkeypatch)
        assert live.call("GetTicketNoAuth") == {"parameters": {"ticket": ticket}}
        assert idle.is_over()


def test_many_threads_ask_at_once_while_the_session_ends(live: LiveAgent) -> None:
    """Whoever asks after the end was published gets nothing."""
    ticket = live.signs_in()
    ended = threading.Event()
    late: list[object] = []

    def ask() -> None:
        with live.dialogue() as caller:
            while True:
                is_over = ended.is_set()
                answer = caller.call("GetTicketNoAuth")
                if is_over:
                    late.append(answer.get("error"))
                    return
                assert answer.get("error") or answer["parameters"]["ticket"] == ticket

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    live.pull()
    live.sees(State.WAITING)
    ended.set()
    for thread in threads:
        thread.join()
    assert late == ["lanyard.Agent.TicketNotAvailable"] * 8
