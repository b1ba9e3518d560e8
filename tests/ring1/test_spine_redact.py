"""What is kept of a request: known fields, each bounded, and no ticket that anybody could use."""

from __future__ import annotations

import random
from urllib.parse import quote

import pytest

from spine_stub.explain.redact import SHOWN, kept_headers, kept_parameters, kept_path, kept_reply, without_ticket
from spine_stub.sessions.tickets import new_ticket

TICKETS = [new_ticket(random.Random(number).randbytes) for number in range(20)]  # noqa: S311


@pytest.mark.parametrize("ticket", TICKETS, ids=range(len(TICKETS)))
@pytest.mark.parametrize("encodings", range(4))
def test_a_ticket_is_known_by_its_form_however_often_it_is_encoded(ticket: str, encodings: int) -> None:
    for _ in range(encodings):
        ticket = quote(ticket, safe="")
    assert without_ticket(f"x {ticket} y") == f"x {TICKETS[0][:8]}{without_ticket(ticket)[8:]} y"
    assert len(without_ticket(ticket)) == SHOWN + 3


def test_a_ticket_in_the_encoding_for_addresses_is_known_too() -> None:
    for ticket in TICKETS:
        encoded = ticket.translate(str.maketrans("+/=@#", "-_.**"))
        assert encoded[SHOWN + 3 :] not in without_ticket(encoded)


@pytest.mark.parametrize("name", ["token", "ticket", "sso_ticket"])
def test_a_ticket_of_any_form_is_known_by_name(name: str) -> None:
    message = {name: "a-ticket-of-another-form", "uid": "555"}
    assert kept_parameters(message) == {name: "a-ticket-o...", "uid": "555"}


def test_of_unknown_parameters_less_than_half_a_ticket_is_kept() -> None:
    kept = kept_parameters({"x": TICKETS[0][::-1], TICKETS[0][::-1]: "y"})
    assert [len(kept["x"]), max(map(len, kept))] == [33, 33]
    assert kept_parameters({"theme": "dark"}) == {"theme": "dark"}


def test_what_is_kept_is_bounded() -> None:
    many = {f"p{number}": "x" * 100_000 for number in range(1000)}
    long = dict.fromkeys(("uid", "log_session_id", "challenge", "response"), "x" * 100_000)
    for kept in (kept_parameters(many), kept_parameters(long), kept_headers({"User-Agent": "x" * 100_000})):
        assert sum(map(len, kept.values())) < 70_000


def test_only_some_headers_are_kept() -> None:
    headers = {"Host": "broker", "Cookie": TICKETS[0], "Authorization": "x", "User-Agent": f"x {TICKETS[0]}"}
    assert kept_headers(headers) == {"User-Agent": f"x {TICKETS[0][:SHOWN]}...", "Host": "broker"}


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/login/authactivate", "/login/authactivate"),
        ("/saml/RoleSelectionGP.jsp", "/saml/RoleSelectionGP.jsp"),
        ("/", "/"),
        ("/login/authlogout;token=AQIC5wM2", "/login/authlogout..."),
        (f"/login/authlogout/{TICKETS[0]}", "/login/authlogout/..."),
        (f"/{quote(TICKETS[0], safe='')}", "/..."),
        ("/a" * 1000, "/a/a/a/a/a/a/..."),
        ("/login/authlogout/AQIC5wM2J3tTWsiuHXqYiN2A/8u2EqEaix/2Qfc", "/login/authlogout/..."),  # its own slashes
    ],
)
def test_a_path_is_kept_as_far_as_it_is_plain_words(path: str, kept: str) -> None:
    assert kept_path(path) == kept


@pytest.mark.parametrize("text", ["", "a ticket for the theatre", "100 %", "50%25", '<gpPARAM name="cn">A</gpPARAM>'])
def test_what_holds_no_ticket_stays(text: str) -> None:
    assert without_ticket(text) == text
    assert kept_parameters({"uid": text}) == {"uid": text}
    assert kept_reply(text.encode(), 100) == text.encode()
