"""Hostile and broken answers of a broker: each gives its own error, and the agent goes on."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person
from support.lying_broker import CHALLENGE, ROLE, TICKET, Lie, LyingBroker, activation, gp, http, parameter, validation
from support.machine import wait_until
from support.scripted_card import BrokenCard, OneCardReader

from agent import (
    Broker,
    BrokerError,
    BrokerFault,
    BrokerNonsense,
    BrokerRefused,
    BrokerTimeout,
    BrokerUnreachable,
    Cue,
    RoleRefused,
    SessionExpired,
    State,
)

BOMB = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
BOMB = f'<!DOCTYPE gpOBJECT [<!ENTITY e0 "bomb">{BOMB}]>'
FILE = '<!DOCTYPE gpOBJECT [<!ENTITY file SYSTEM "file:///etc/hostname">]>'
PARAMETER_ENTITY = '<!DOCTYPE gpOBJECT [<!ENTITY % all SYSTEM "https://192.0.2.1/"> %all;]>'
HUGE = 100 << 20
GOOD = activation()
TWICE = gzip.compress(gzip.compress(bytes(64 << 20)))
HTML = "<!DOCTYPE html><html><body>Please log in to the guest Wi-Fi<br></body></html>"

CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n<gpOBJECT>"


def silence(connection: socket.socket) -> None:
    """Say nothing until the client hangs up."""
    connection.recv(1)


def endless(head: str, drop: bytes = bytes(1 << 16)) -> Callable[[socket.socket], None]:
    """Send a head, and then no end of bytes: fails where 100 MB of them are taken."""

    def lie(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}".encode())
        for _ in range(HUGE // len(drop)):
            connection.sendall(drop)
        connection.sendall(b"\r\n\r\n" + GOOD)

    return lie


def dribble(head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Send a head, and then a little, again and again."""

    def lie(connection: socket.socket) -> None:
        connection.sendall(head)
        while not threading.Event().wait(0.02):
            connection.sendall(drop)  # fails as soon as the client has gone

    return lie


def then(data: bytes, more: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def lie(connection: socket.socket) -> None:
        connection.sendall(data)
        more(connection)

    return lie


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


DRIBBLED_BODY = dribble(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" ")
DRIBBLED_CHUNKS = dribble(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n")
DRIBBLED_HEAD = dribble(b"HTTP/1.1 200 OK\r\nX-Endless: ", b"x")

TOO_MUCH = (BrokerNonsense, BrokerTimeout)  # whichever limit comes first on a slow machine
ACTIVATE: dict[str, tuple[Any, Lie]] = {
    "entity bomb": (BrokerNonsense, http(gp("&e9;", BOMB))),
    "external entity": (BrokerNonsense, http(gp("&file;", FILE))),
    "parameter entity": (BrokerNonsense, http(gp("", PARAMETER_ENTITY))),
    "deep nesting": (BrokerNonsense, http(gp("<a>" * 300_000 + "</a>" * 300_000))),
    "deep nesting without an end": (BrokerNonsense, http(gp("<a>" * 300_000))),
    "body of 100 MB": (TOO_MUCH, endless(f"Content-Length: {HUGE}\r\n\r\n")),
    "head of 100 MB": (TOO_MUCH, endless("X: ", b"x" * 65000 + b"\r\nX: ")),
    "header of 100 MB": (TOO_MUCH, endless("X: ", b"x" * 65000)),
    "chunk extension of 100 MB": (TOO_MUCH, endless(CHUNKED + "8;", b"x" * 65000)),
    "zipped body of 16 MB": (BrokerNonsense, http(gzip.compress(bytes(16 << 20)), Content_Encoding="gzip")),
    "zipped twice": (BrokerNonsense, http(gzip.compress(TWICE), Content_Encoding="gzip, gzip")),
    "redirection, zipped": (BrokerFault, http(TWICE, "302 Found", Content_Encoding="gzip", Location="https://x/")),
    "body said to be zipped": (BrokerNonsense, http(GOOD, Content_Encoding="gzip")),
    "chunk of -5 bytes": (BrokerNonsense, f"HTTP/1.1 200 OK\r\n{CHUNKED}-5\r\n".encode()),
    "chunk of no size": (BrokerUnreachable, f"HTTP/1.1 200 OK\r\n{CHUNKED}five\r\n".encode()),
    "chunk of a size without end": (BrokerTimeout, f"HTTP/1.1 200 OK\r\n{CHUNKED}{'f' * 9000}\r\n".encode()),
    "length below zero": (BrokerTimeout, b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
    "two lengths": (BrokerNonsense, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456"),
    "length in words": (BrokerTimeout, b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"),
    "status of 5 digits": (BrokerNonsense, b"HTTP/1.1 20000 OK\r\nContent-Length: 0\r\n\r\n"),
    "body that dribbles": (BrokerTimeout, DRIBBLED_BODY),
    "chunks that dribble": (BrokerTimeout, DRIBBLED_CHUNKS),
    "head that dribbles": (BrokerTimeout, DRIBBLED_HEAD),
    "no answer": (BrokerTimeout, silence),
    "half a body, then nothing": (BrokerTimeout, then(GOOD[:-20], silence)),
    "half a body, then gone": (BrokerUnreachable, then(HALF, hang_up)),
    "gone before the answer": (BrokerUnreachable, hang_up),
    "not HTTP": (BrokerNonsense, then(b"220 mail.example ESMTP\r\n", hang_up)),
    "a thousand headers": (BrokerNonsense, http("", **{f"X_{n}": "x" for n in range(1000)})),
    "HTTP 500": (BrokerFault, http("oops", "500 Internal Server Error")),
    "HTTP 503": (BrokerFault, http("later", "503 Service Unavailable")),
    "HTTP 404": (BrokerFault, http("where?", "404 Not Found")),
    "redirection": (BrokerFault, http("", "302 Found", Location="https://192.0.2.1/")),
    "no content": (BrokerFault, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "empty body": (BrokerNonsense, http("")),
    "page of a Wi-Fi": (BrokerNonsense, http(HTML, Content_Type="text/html")),
    "JSON": (BrokerNonsense, http('{"challenge": "QUJD"}', Content_Type="application/json")),
    "binary": (BrokerNonsense, http(bytes(range(256)) * 9)),
    "UTF-16": (BrokerNonsense, http(gp("").encode("utf-16"))),
    "XML cut short": (BrokerNonsense, http(gp("")[:-3])),
    "another document": (BrokerNonsense, http("<html/>")),
    "no challenge": (BrokerNonsense, activation(challenge=None)),
    "challenge empty": (BrokerNonsense, activation(challenge="")),
    "challenge not base64": (BrokerNonsense, activation(challenge="A")),
    "challenge not ASCII": (BrokerNonsense, activation(challenge="\u00c4" * 64)),
    "challenge of three bytes": (BrokerNonsense, activation(challenge="QUJD")),
    "challenge of 1 MB": (BrokerNonsense, activation(challenge="QUJD" * (1 << 18))),
    "no server signature": (BrokerNonsense, activation(signature=None)),
    "two challenges": (BrokerNonsense, http(gp(parameter("challenge", CHALLENGE) * 2))),
    "refused": (BrokerRefused, http("<HTML><STATUS>Invalid input request</STATUS></HTML>")),
}
VALIDATE: dict[str, tuple[Any, Lie]] = {
    "not valid": (BrokerRefused, http("<HTML><STATUS>Failed To Validate</STATUS></HTML>")),
    "refused with a reason": (BrokerRefused, http("", X_Spine_Stub_Reason="revoked")),
    "validation dropped": (BrokerUnreachable, hang_up),
    "validation never answered": (BrokerTimeout, silence),
    "validation with HTTP 500": (BrokerFault, http("", "500 Internal Server Error")),
    "no ticket": (BrokerNonsense, validation(sso_ticket=None)),
    "ticket empty": (BrokerNonsense, validation(sso_ticket="")),
    "two tickets": (BrokerNonsense, validation(parameter("sso_ticket", "another"))),
    "no name": (BrokerNonsense, validation(cn=None)),
    "no way to log out": (BrokerNonsense, validation(sso_logout_url=None)),
    "minutes in words": (BrokerNonsense, validation(sso_max_session_time="ten")),
    "minutes below zero": (BrokerNonsense, validation(sso_max_session_time="-1")),
    "minutes without end": (BrokerNonsense, validation(sso_max_session_time="9" * 5000)),
    "no idle minutes": (BrokerNonsense, validation(sso_session_time=None)),
    "role without id": (BrokerNonsense, validation(parameter("nhsjobrole0", ROLE))),
    "role text broken": (BrokerNonsense, validation(parameter("nhsjobrole0", "Nurse", 'id="1"'))),
    "role without text": (BrokerNonsense, validation(parameter("nhsjobrole0", "", 'id="1"'))),
}
REFUSED = "<HTML><STATUS>Failed To Validate</STATUS></HTML>"
SELECT: dict[str, tuple[Any, Lie]] = {
    "role refused": (RoleRefused, http("<HTML><STATUS>No</STATUS></HTML>")),
    "role not OK": (RoleRefused, http("<HTML><STATUS>NOT OK</STATUS></HTML>")),
    "role, OK in another place": (RoleRefused, http("<HTML>OK<STATUS>LOOK IT UP</STATUS></HTML>")),
    "role for no session": (SessionExpired, http("<HTML><STATUS>INVALID TOKEN</STATUS></HTML>")),
    "session ended meanwhile": (SessionExpired, http(REFUSED, X_Spine_Stub_Reason="ticket-not-valid")),
    "role not held": (RoleRefused, http(REFUSED, X_Spine_Stub_Reason="role-not-held")),
    "role never answered": (BrokerTimeout, silence),
    "role dropped": (BrokerUnreachable, hang_up),
    "role binary": (BrokerNonsense, http(b"\xff\xfe\x00")),
}
LIES = {
    **{name: ("authactivate", *lie) for name, lie in ACTIVATE.items()},
    **{name: ("authvalidate", *lie) for name, lie in VALIDATE.items()},
    **{name: ("RoleSelectionGP.jsp", *lie) for name, lie in SELECT.items()},
}


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def person(lying_broker: LyingBroker, ca_file: Path) -> Iterator[Person]:
    person = Person(OneCardReader(BrokenCard()), lambda: Broker(lying_broker.url, ca_file))
    yield person
    person.close()


@pytest.mark.parametrize("name", LIES)
def test_each_lie_gives_its_error_and_the_next_attempt_works(
    name: str, lying_broker: LyingBroker, person: Person
) -> None:
    endpoint, expected, lie = LIES[name]
    lying_broker.lies[endpoint] = lie
    person.types()
    problem = person.problem()
    assert type(problem) in (expected if isinstance(expected, tuple) else (expected,)), (
        f"{problem!r}, {problem.technical}"
    )
    assert len(problem.technical) < 200
    lying_broker.lies.clear()
    person.conductor.handle(Cue.DISMISSED)
    person.types()
    person.sees(State.SIGNED_IN)


UNREADABLE: dict[str, Lie] = {
    **{name: LIES[name][2] for name in ("no name", "no way to log out", "minutes in words", "role text broken")},
    "refused all the same": http(gp(parameter("sso_ticket", TICKET)), X_Spine_Stub_Reason="revoked"),
    "with HTTP 500": http(gp(parameter("sso_ticket", TICKET)), "500 Internal Server Error"),
    "not XML": http("<p>" + gp(parameter("sso_ticket", TICKET))),
    "not the encoding that it says": http(b"<?xml encoding='ascii'?>\xff" + parameter("sso_ticket", TICKET).encode()),
    "in UTF-16, cut short": http(gp(parameter("sso_ticket", TICKET)).encode("utf-16")[:-8]),
    "then gone": then(http(parameter("sso_ticket", TICKET))[:-4], hang_up),
    "then silence": then(http(parameter("sso_ticket", TICKET) + " " * 500)[:-4], silence),
    "then 100 MB": endless(f"Content-Length: {HUGE}\r\n\r\n" + parameter("sso_ticket", TICKET)),
    "packed, it says": http(gp(parameter("sso_ticket", TICKET)), Content_Encoding="gzip"),
    "name of 3 MB": validation(cn="x" * 3_000_000),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_session_that_is_of_no_use_here_is_ended_at_the_broker(
    name: str, lying_broker: LyingBroker, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    lying_broker.lies["authvalidate"] = UNREADABLE[name]
    person.types()
    assert isinstance(person.problem(), BrokerError | BrokerUnreachable)
    (request,) = wait_until(lambda: lying_broker.asked("authlogout"))
    assert TICKET.encode() in request
    assert TICKET not in caplog.text


def test_a_name_steers_neither_terminal_nor_window(lying_broker: LyingBroker, person: Person) -> None:
    lying_broker.lies["authvalidate"] = validation(cn="\u202eAlex&#10;\x9b2J" + "x" * 3000)
    person.types()
    person.sees(State.SIGNED_IN)
    assert person.session.cn == "Alex 2J" + "x" * 192 + "\u2026"


def test_twenty_kinds_at_least() -> None:
    assert len(LIES) >= 20


def test_where_the_challenge_is_a_lie_no_passcode_is_spent(lying_broker: LyingBroker, ca_file: Path) -> None:
    lying_broker.lies["authactivate"] = http("", "503 Service Unavailable")
    card = BrokenCard(verify=AssertionError("a try was spent"))
    person = Person(OneCardReader(card), lambda: Broker(lying_broker.url, ca_file))
    person.types()
    assert type(person.problem()) is BrokerFault
    person.close()
