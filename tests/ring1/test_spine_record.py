"""The record: bounded, in sign-ins, and something to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from spine_stub.explain.record import Exchange, Record


def exchange(record: Record, endpoint: str, **more: Any) -> Exchange:
    made = Exchange(
        number=record.next_number(), time=datetime.now(UTC), endpoint=endpoint, method="POST", path=endpoint,
        **{"client": "127.0.0.1", "status": 200, **more},
    )  # fmt: skip
    record.add(made)
    return made


def activate(record: Record, challenge: str, **more: Any) -> Exchange:
    reply = f'<gpPARAM name="challenge">{challenge}</gpPARAM>'.encode()
    return exchange(record, "authactivate", reply=reply, **more)


def validate(record: Record, challenge: str, **more: Any) -> Exchange:
    return exchange(record, "authvalidate", message={"challenge": challenge, **more.pop("message", {})}, **more)


@pytest.fixture
def record() -> Record:
    return Record(requests=10, size=100_000)


def stories(record: Record) -> list[list[str]]:
    return [[e.endpoint for e in sign_in.exchanges] for sign_in in reversed(record.sign_ins())]


def test_interleaved_sign_ins_are_kept_apart(record: Record) -> None:
    """As of two clients on one machine that call themselves the same."""
    activate(record, "QQ==")
    activate(record, "Qg==")
    validate(record, "Qg==", session="bb")
    validate(record, "Q\nQ==", session="aa")
    exchange(record, "RoleSelectionGP.jsp", session="bb")
    exchange(record, "authlogout", session="aa")
    assert stories(record) == [
        ["authactivate", "authvalidate", "authlogout"], ["authactivate", "authvalidate", "RoleSelectionGP.jsp"]
    ]  # fmt: skip
    assert [sign_in.outcome for sign_in in record.sign_ins()] == ["signed-in", "logged-out"]


def test_a_client_that_lost_its_challenge_is_known_by_its_session_id(record: Record) -> None:
    same = {"log_session_id": "0123456789"}
    activate(record, "QQ==", message=same)
    validate(record, "another", message=same, reason="server-signature-wrong")
    assert len(record.sign_ins()) == 1
    activate(record, "Qg==", message=same)
    assert len(record.sign_ins()) == 2


def test_a_request_of_nobodys_sign_in_is_kept_by_itself(record: Record) -> None:
    exchange(record, "dtd")
    assert not record.sign_ins()
    assert [e.endpoint for e in record.exchanges()] == ["dtd"]


def held(record: Record) -> set[int]:
    """The numbers of all requests that the record holds on to, be it in a sign-in."""
    of_sign_ins = (e for sign_in in record.sign_ins() for e in sign_in.exchanges)
    return {e.number for e in (*record.exchanges(), *of_sign_ins)}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(lambda number: {"message": {"challenge": str(number)}}, id="each-by-itself"),
        pytest.param(lambda _: {"message": {"challenge": "x", "log_session_id": "one"}}, id="one-log-session-id"),
        pytest.param(lambda _: {"session": "one"}, id="one-session"),
        pytest.param(lambda number: {"reply": b"x" * (5000 * (number % 7))}, id="large-replies"),
        pytest.param(lambda _: {"message": {"response": "x" * 60_000}}, id="large-requests"),
    ],
)
def test_it_is_bounded_in_count_and_size(record: Record, more: Callable[[int], dict[str, Any]]) -> None:
    for number in range(200):
        exchange(record, "authvalidate", **more(number))
        assert len(held(record)) <= 10
        assert sum(e.size for e in record.exchanges()) <= 100_000
    assert held(record) == {e.number for e in record.exchanges()}
    assert len(record._by_mark) <= 30
    record.clear()
    assert (record._size, held(record), record._sign_in_of) == (0, set(), {})


def test_whose_session_it_is_is_known_while_it_is_recorded(record: Record) -> None:
    for number in range(50):
        activate(record, f"{number:04}")
        validate(record, f"{number:04}", session=str(number), uid=str(number))
    assert record.uid_of("49") == "49"
    assert record.uid_of("1") == ""


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        ({}, "signed-in"),
        ({"reason": "signature-wrong"}, "refused"),
        ({"fault": "http-503", "status": 503}, "fault"),
        ({"status": 500}, "failed"),
    ],
)
def test_an_outcome_is_one_word(record: Record, last: dict[str, Any], outcome: str) -> None:
    activate(record, "QQ==")
    assert record.sign_ins()[0].outcome == "begun"
    validate(record, "QQ==", **last)
    assert record.sign_ins()[0].outcome == outcome
    assert bool(record.sign_ins()[0].trouble) == (outcome != "signed-in")


def test_waiting_ends_with_what_was_waited_for(record: Record) -> None:
    found: list[Exchange | None] = []
    thread = threading.Thread(
        target=lambda: found.append(record.wait_for(lambda e: e.endpoint == "authvalidate", 0, 10))
    )
    thread.start()
    activate(record, "QQ==")
    wanted = validate(record, "QQ==")
    thread.join(5)
    assert found == [wanted]
    assert record.wait_for(lambda e: True, wanted.number, 0.01) is None


def test_clearing_forgets_but_goes_on_counting(record: Record) -> None:
    first = activate(record, "QQ==")
    record.clear()
    assert not record.exchanges()
    assert not record.sign_ins()
    assert activate(record, "QQ==").number > first.number


def test_what_was_done_right_later_is_no_trouble(record: Record) -> None:
    """The wrong role was asked for first, then the right one."""
    activate(record, "QQ==")
    validate(record, "QQ==", session="aa")
    exchange(record, "RoleSelectionGP.jsp", session="aa", reason="role-not-held")
    assert record.sign_ins()[0].outcome == "refused"
    exchange(record, "RoleSelectionGP.jsp", session="aa")
    assert record.sign_ins()[0].outcome == "signed-in"
    assert record.sign_ins()[0].trouble == ""
