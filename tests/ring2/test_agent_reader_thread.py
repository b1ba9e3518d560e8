"""The thread that watches the readers: whatever goes wrong in it is told, and watching goes on."""

from __future__ import annotations

import contextlib
import logging
import threading

import pytest
from support.agent import Person

import agent
from agent import AgentError, CardIn, Fault, IdentityCard, ReaderReady, State


class FailingSource:
    """Fails in these ways, one after the other, and then has a reader."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self._closed = threading.Event()

    def watch(self, report: agent.Report) -> None:
        if self._failures:
            raise self._failures.pop(0)
        report(ReaderReady())
        self._closed.wait()

    def open(self, card: CardIn) -> contextlib.AbstractContextManager[IdentityCard]:
        raise AgentError(Fault.CARD_REMOVED)

    def close(self) -> None:
        self._closed.set()


def no_broker() -> agent.Broker:
    raise AssertionError("nobody signs in here")


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    "failure", [KeyError("secret"), RuntimeError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "")]
)
def test_an_error_that_nobody_expected(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    person = Person(FailingSource(failure), no_broker)
    person.sees(State.NO_READER)
    assert person.conductor.problem.fault is Fault.UNEXPECTED
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert type(failure).__name__ in record.getMessage()
    assert "secret" not in record.getMessage()
    person.sees(State.WAITING)
    person.close()


def test_a_service_that_comes_back() -> None:
    person = Person(FailingSource(AgentError(Fault.NO_SERVICE), AgentError(Fault.NO_SERVICE)), no_broker)
    person.sees(State.NO_READER)
    assert person.conductor.problem.fault is Fault.NO_SERVICE
    person.sees(State.WAITING)
    person.close()
