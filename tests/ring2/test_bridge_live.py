"""The native messaging host before the real agent: a person signs in for a page, and pulls the card."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.machine import wait_until
from support.native_host import LISTED, allow, host
from support.ticket_socket import LiveAgent

from agent import State
from bridge.errors import TicketCode

ASK = {"method": "getToken", "origin": LISTED}
ASK_QUIETLY = {"method": "getTokenNoAuth", "origin": LISTED}


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in allow(tmp_path / "config", LISTED).items():
        monkeypatch.setenv(name, value)


def test_the_person_sees_which_page_asks_and_signs_in_for_it(live: LiveAgent) -> None:
    with host() as process:
        process.send(ASK)
        assert live.asks().origin == LISTED
        ticket = live.signs_in()
        answer = process.receive()
        assert answer
        assert answer["data"] == {"tokenId": ticket}
        assert process.ask(ASK_QUIETLY)["data"] == {"tokenId": ticket}


def test_the_person_says_no(live: LiveAgent) -> None:
    with host() as process:
        process.send(ASK)
        live.asks().answer(False)
        answer = process.receive()
        assert answer
        assert answer["errorCode"] == TicketCode.USER_ABORT


def test_card_out_no_ticket(live: LiveAgent) -> None:
    with host() as process:
        assert process.ask(ASK_QUIETLY)["errorCode"] == TicketCode.TICKET_NOT_AVAILABLE
        live.signs_in()
        assert process.ask(ASK)["success"]
        live.pull()
        live.sees(State.WAITING)
        answer = process.ask(ASK_QUIETLY)
        assert answer["errorCode"] == TicketCode.TICKET_NOT_AVAILABLE
        assert "data" not in answer


def test_the_question_goes_when_the_page_goes(live: LiveAgent) -> None:
    with host() as process:
        process.send(ASK)
        live.asks()
        process.hang_up()
        wait_until(lambda: live.asked is None)
