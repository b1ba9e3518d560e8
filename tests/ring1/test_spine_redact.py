"""Tickets are cut short wherever they can stand, and nothing else is."""

from __future__ import annotations

import secrets
from urllib.parse import quote

import pytest

from spine_stub.explain.redact import SHOWN, redact, redact_headers, redact_message, redact_text
from spine_stub.sessions import new_ticket

TICKETS = [new_ticket(secrets.token_bytes) for _ in range(20)] + ["made-up-by-a-client"]


@pytest.mark.parametrize("ticket", TICKETS, ids=range(len(TICKETS)))
@pytest.mark.parametrize(
    "form",
    [
        "token={quoted}&selectedRoleUid=1",
        "token={ticket}",
        "x=1&tokenid={quoted}",
        "subjectid={quoted}",
        '<gpPARAM name="sso_ticket">{ticket}</gpPARAM>',
        "<gpPARAM name='sso_ticket' >\n {ticket}</gpPARAM>",
        "iPlanetDirectoryPro={ticket}; other=1",
    ],
)
def test_no_ticket_is_left(form: str, ticket: str) -> None:
    text = form.format(ticket=ticket, quoted=quote(ticket, safe=""))
    left = redact(text.encode()).decode()
    for whole in (ticket, quote(ticket, safe=""), ticket[SHOWN : SHOWN + 8], quote(ticket[SHOWN : SHOWN + 8], safe="")):
        assert whole not in left
    assert ticket[:4] in left


def test_a_ticket_is_known_by_its_form_alone() -> None:
    ticket = TICKETS[0]
    for text in (ticket, f"set_ticket/{quote(ticket)}", f'"tokenId": "{ticket}"'):
        assert ticket[SHOWN : SHOWN + 8] not in redact_text(text)


@pytest.mark.parametrize("name", ["token", "TokenId", "sso_ticket", "subjectid"])
def test_parameters_are_known_by_name(name: str) -> None:
    assert redact_message({name: "a-ticket-of-another-form", "uid": "555"}) == {name: "a-ticket-o...", "uid": "555"}


def test_a_ticket_in_any_header_is_cut_short() -> None:
    headers = {"Host": "broker", "Cookie": f"x={'y' * 2000}; iPlanetDirectoryPro={TICKETS[0]}"}
    redacted = redact_headers(headers)
    assert redacted["Host"] == "broker"
    assert TICKETS[0][SHOWN : SHOWN + 8] not in redacted["Cookie"]


@pytest.mark.parametrize("text", ["", "a ticket for the theatre", "uid=555000000001", '<gpPARAM name="cn">A</gpPARAM>'])
def test_what_holds_no_ticket_stays(text: str) -> None:
    assert redact_text(text) == text
    assert redact_message({"uid": text}) == {"uid": text}
    assert redact_headers({"Accept": text}) == {"Accept": text}
