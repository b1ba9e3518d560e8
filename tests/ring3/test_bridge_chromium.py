"""A real Chromium with the extension: who gets the ticket, and who does not."""

from __future__ import annotations

import pytest
from support.agent_socket import error
from support.extension import Extended
from support.machine import wait_until

from bridge import __version__
from bridge.errors import TicketCode

FORGED = """
const done = arguments[1];
document.addEventListener("lanyard-answer", (event) => done(event.detail));
document.dispatchEvent(new CustomEvent("lanyard-request", { detail: arguments[0] }));
"""
UNANSWERED = """
document.dispatchEvent(new CustomEvent("lanyard-request", { detail: '{"id": 1, "method": "getToken"}' }));
"""


def asked_before_the_next_page(extended: Extended) -> int:
    """Return how often the agent has been asked: whatever was on its way comes before a listed page's own request."""
    extended.open(extended.listed.origin)
    assert extended.call("getTokenNoAuth")["value"] == "TICKET"
    return len(extended.agent.asked) - 1


def test_a_listed_page_gets_the_ticket(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    assert extended.call("getToken") == {"err": None, "value": "TICKET"}
    assert extended.call("getTokenNoAuth") == {"err": None, "value": "TICKET"}
    asked = [(each["method"], each["parameters"]["origin"]) for each in extended.agent.asked]
    origin = extended.listed.origin
    assert asked == [("lanyard.Agent.GetTicket", origin), ("lanyard.Agent.GetTicketNoAuth", origin)]
    assert extended.browser.console() == []


def test_versions(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    for function in ("getBridgeVersion", "getAdaptorVersion"):
        assert extended.call(function) == {"err": None, "value": __version__}


def test_an_unlisted_page_has_no_function_to_call(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    extended.browser.open(extended.unlisted.origin)
    assert extended.browser.run("return 'nhsAuth' in window") is False
    extended.browser.run(UNANSWERED)
    assert asked_before_the_next_page(extended) == 0


def test_a_listed_page_in_a_frame_has_none(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    extended.unlisted.framed = extended.listed.origin
    extended.browser.open(f"{extended.unlisted.origin}/frame")
    extended.browser.driver.switch_to.frame(extended.browser.find("iframe"))
    assert extended.browser.run("return [location.origin, 'nhsAuth' in window]") == [extended.listed.origin, False]
    extended.browser.run(UNANSWERED)
    assert asked_before_the_next_page(extended) == 0


def test_after_card_out_there_is_no_ticket(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    assert extended.call("getToken")["value"] == "TICKET"
    gone = error("TicketNotAvailable", TicketCode.TICKET_NOT_AVAILABLE, "Nobody is signed in.")
    extended.agent.answers = lambda _: gone
    answer = extended.call("getTokenNoAuth")
    assert answer["err"] == {"errorCode": 0x80100009, "errorDescription": "Nobody is signed in."}
    assert answer.get("value") is None


def test_an_agent_that_has_ended_is_said_to_be(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    path = extended.agent.path
    moved = path.rename(path.with_name("elsewhere"))
    try:
        extended.agent.hang_up()
        assert extended.call("getToken")["err"]["errorCode"] == TicketCode.NO_SERVER
    finally:
        moved.rename(path)
    assert extended.call("getToken")["value"] == "TICKET"


def test_the_person_is_asked_no_more_once_the_page_is_gone(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    extended.agent.answers = lambda _: None
    before = extended.agent.hung_up
    extended.browser.run("window.nhsAuth.getToken(() => {})")
    wait_until(lambda: extended.agent.asked)
    extended.browser.open("about:blank")
    wait_until(lambda: extended.agent.hung_up > before, 20)


@pytest.mark.parametrize(
    "detail", ["{}", '{"id": 1}', '{"id": 1, "method": "getOrigins"}', '{"id": 1, "method": "constructor"}']
)
def test_a_listed_page_can_ask_for_nothing_else(extended: Extended, detail: str) -> None:
    extended.open(extended.listed.origin)
    answer = extended.browser.run_async(FORGED, detail)
    assert '"errorCode":201' in answer
    assert extended.agent.asked == []


def test_a_page_cannot_say_that_it_is_another(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    forged = '{"id": 1, "method": "getToken", "origin": "https://other.example", "frameId": 5}'
    assert '"tokenId":"TICKET"' in extended.browser.run_async(FORGED, forged)
    assert extended.agent.asked[0]["parameters"]["origin"] == extended.listed.origin


def test_the_functions_cannot_be_replaced_by_other_scripts(extended: Extended) -> None:
    extended.open(extended.listed.origin)
    extended.browser.run("window.nhsAuth = {}; window.nhsAuth.getToken = null")
    assert extended.call("getToken")["value"] == "TICKET"
    with pytest.raises(Exception, match=r"nhsAuth\.getToken needs a function"):
        extended.browser.run("window.nhsAuth.getToken()")
