"""The native messaging host before the real agent: a person signs in for a page, and pulls the card."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from support.machine import wait_until
from support.native_host import FROM_CHROMIUM, LISTED, allow, host, started
from support.source import ROOT
from support.ticket_socket import LiveAgent

from agent import State
from bridge.errors import TicketCode

ASK = {"method": "getToken", "origin": LISTED}
ASK_QUIETLY = {"method": "getTokenNoAuth", "origin": LISTED}
# Imports first: the other user need not be able to read this checkout.
AS_ANOTHER_USER = """
import os, sys
from bridge.__main__ import main, make_parser
from bridge.native_host import host
make_parser()
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


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


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a program as another user")
def test_another_user_gets_no_ticket(live: LiveAgent) -> None:
    """Not even where the socket's folder was opened to everybody by mistake."""
    live.signs_in()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        environment = os.environ | allow(Path(name), LISTED) | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", AS_ANOTHER_USER, "native-host", "--", *FROM_CHROMIUM]
        for _ in ("closed", "opened"):
            with started(command, environment) as process:
                assert process.ask(ASK_QUIETLY)["errorCode"] == TicketCode.NO_SERVER
            live.path.parents[1].chmod(0o755)
            live.path.parent.chmod(0o755)
            live.path.chmod(0o666)
