"""Whoever waits for the end of a session is told of it once, in whatever way it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from support.machine import wait_until
from support.spine import Spine, SpineFactory

from spine_stub.console import actions
from spine_stub.errors import Unavailable
from spine_stub.sessions import Session, session_key
from spine_stub.sessions.endings import LOOK_EVERY, Ending, Endings
from spine_stub.stub import Stub

NAME = "session ends"


def looking() -> bool:
    return any(thread.name == NAME for thread in threading.enumerate())


def watched(stub: Stub, ticket: str) -> list[Ending]:
    """What is said of a session's end, from now on."""
    said: list[Ending] = []
    stub.broker.endings.watch(session_key(ticket), said.append)
    return said


def log_out(spine: Spine, _: Stub, ticket: str) -> None:
    spine.client().get("/login/authlogout", token=ticket)


def console(_: Spine, stub: Stub, ticket: str) -> None:
    assert actions.end_session(stub, {"session": session_key(ticket)[:16]})


def fault(spine: Spine, stub: Stub, ticket: str) -> None:
    stub.faults.once("session-ended", endpoint="ssoupdate")
    spine.client().http.post(f"{spine.url}/login/ssoupdate", params={"token": ticket}, timeout=10)


def clear(_: Spine, stub: Stub, __: str) -> None:
    stub.clear()


@pytest.mark.parametrize(
    ("way", "how"),
    [(log_out, Ending.LOGGED_OUT), (console, Ending.ENDED), (fault, Ending.EXPIRED), (clear, Ending.ENDED)],
)
def test_what_ends_a_session_says_so_at_once(
    spine: Spine, stub: Stub, way: Callable[[Spine, Stub, str], None], how: Ending
) -> None:
    _, ticket = spine.login()
    said = watched(stub, ticket)
    way(spine, stub, ticket)
    assert said == [how]
    log_out(spine, stub, ticket)
    assert said == [how]


@pytest.mark.parametrize("limits", [{"idle": 20}, {"max_session": 20}], ids=str)
def test_a_session_whose_time_is_up_is_found(spine_factory: SpineFactory, limits: dict[str, int]) -> None:
    spine = spine_factory(**{name: timedelta(minutes=minutes) for name, minutes in limits.items()})
    stub = Stub.of(spine.app)
    _, ticket = spine.login()
    said = watched(stub, ticket)
    spine.clock.advance(minutes=21)
    assert wait_until(lambda: said) == [Ending.EXPIRED]


def test_a_session_that_another_process_ends_is_found(spine_factory: SpineFactory) -> None:
    here, there = spine_factory(), spine_factory()
    _, ticket = here.login()
    said = watched(Stub.of(here.app), ticket)
    log_out(there, Stub.of(there.app), ticket)
    assert wait_until(lambda: said) == [Ending.EXPIRED]


def test_a_session_that_is_over_already_is_said_soon(spine: Spine, stub: Stub) -> None:
    _, ticket = spine.login()
    log_out(spine, stub, ticket)
    said = watched(stub, ticket)
    assert wait_until(lambda: said) == [Ending.EXPIRED]


def test_one_who_wants_to_know_no_more_is_not_told(spine: Spine, stub: Stub) -> None:
    _, ticket = spine.login()
    first, second = watched(stub, ticket), list[Ending]()
    listener = second.append
    stub.broker.endings.watch(session_key(ticket), listener)
    stub.broker.endings.forget(session_key(ticket), listener)
    log_out(spine, stub, ticket)
    assert (first, second) == ([Ending.LOGGED_OUT], [])


def test_other_sessions_go_on(spine: Spine, stub: Stub) -> None:
    said = [watched(stub, spine.login(name)[1]) for name in ("one-role", "three-roles")]
    last = spine.login("one-role")[1]
    log_out(spine, stub, last)
    assert said == [[], []]


def test_nothing_looks_while_nobody_waits(spine: Spine, stub: Stub) -> None:
    _, ticket = spine.login()
    wait_until(lambda: not looking())  # also for an earlier test
    watched(stub, ticket)
    assert looking()
    log_out(spine, stub, ticket)
    wait_until(lambda: not looking(), 10 * LOOK_EVERY.total_seconds())
    _, ticket = spine.login()
    said = watched(stub, ticket)  # and again
    spine.clock.advance(hours=11)
    assert wait_until(lambda: said) == [Ending.EXPIRED]


def test_a_store_that_is_away_ends_nothing(monkeypatch: pytest.MonkeyPatch, stub: Stub, spine: Spine) -> None:
    asked: list[int] = []
    there = stub.broker.store.sessions

    class Away:
        def sessions(self) -> Mapping[str, Session]:
            asked.append(1)
            if len(asked) == 1:
                raise Unavailable("store-unavailable", "gone")
            return there()

    store: Any = Away()
    store.limits = stub.broker.store.limits
    monkeypatch.setattr("spine_stub.sessions.endings.LOOK_EVERY", timedelta(milliseconds=10))
    endings = Endings(store, spine.clock)
    said: list[Ending] = []
    _, ticket = spine.login()
    endings.watch(session_key(ticket), said.append)
    wait_until(lambda: len(asked) > 2)
    endings.release()
    assert not said
