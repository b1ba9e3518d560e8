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

from agent import Broker, Cue, Fault, State

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

TOO_MUCH = (Fault.BROKER_NONSENSE, Fault.BROKER_TIMEOUT)  # whichever limit comes first on a slow machine
ACTIVATE: dict[str, tuple[Any, Lie]] = {
    "entity bomb": (Fault.BROKER_NONSENSE, http(gp("&e9;", BOMB))),
    "external entity": (Fault.BROKER_NONSENSE, http(gp("&file;", FILE))),
    "parameter entity": (Fault.BROKER_NONSENSE, http(gp("", PARAMETER_ENTITY))),
    "deep nesting": (Fault.BROKER_NONSENSE, http(gp("<a>" * 300_000 + "</a>" * 300_000))),
    "deep nesting without an end": (Fault.BROKER_NONSENSE, http(gp("<a>" * 300_000))),
    "body of 100 MB": (TOO_MUCH, endless(f"Content-Length: {HUGE}\r\n\r\n")),
    "head of 100 MB": (TOO_MUCH, endless("X: ", b"x" * 65000 + b"\r\nX: ")),
    "header of 100 MB": (TOO_MUCH, endless("X: ", b"x" * 65000)),
    "chunk extension of 100 MB": (TOO_MUCH, endless(CHUNKED + "8;", b"x" * 65000)),
    "zipped body of 16 MB": (Fault.BROKER_NONSENSE, http(gzip.compress(bytes(16 << 20)), Content_Encoding="gzip")),
    "zipped twice": (Fault.BROKER_NONSENSE, http(gzip.compress(TWICE), Content_Encoding="gzip, gzip")),
    "redirection, zipped": (
        Fault.BROKER_FAULT,
        http(TWICE, "302 Found", Content_Encoding="gzip", Location="https://x/"),
    ),
    "body said to be zipped": (Fault.BROKER_NONSENSE, http(GOOD, Content_Encoding="gzip")),
    "chunk of -5 bytes": (Fault.BROKER_TIMEOUT, f"HTTP/1.1 200 OK\r\n{CHUNKED}-5\r\n".encode()),
    "chunk of no size": (Fault.UNREACHABLE, f"HTTP/1.1 200 OK\r\n{CHUNKED}five\r\n".encode()),
    "chunk of a size without end": (Fault.BROKER_NONSENSE, f"HTTP/1.1 200 OK\r\n{CHUNKED}{'f' * 9000}\r\n".encode()),
    "length below zero": (Fault.BROKER_TIMEOUT, b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
    "two lengths": (Fault.BROKER_NONSENSE, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456"),
    "length in words": (Fault.BROKER_TIMEOUT, b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"),
    "status of 5 digits": (Fault.BROKER_NONSENSE, b"HTTP/1.1 20000 OK\r\nContent-Length: 0\r\n\r\n"),
    "body that dribbles": (Fault.BROKER_TIMEOUT, DRIBBLED_BODY),
    "chunks that dribble": (Fault.BROKER_TIMEOUT, DRIBBLED_CHUNKS),
    "head that dribbles": (Fault.BROKER_TIMEOUT, DRIBBLED_HEAD),
    "no answer": (Fault.BROKER_TIMEOUT, silence),
    "half a body, then nothing": (Fault.BROKER_TIMEOUT, then(GOOD[:-20], silence)),
    "half a body, then gone": (Fault.UNREACHABLE, then(HALF, hang_up)),
    "gone before the answer": (Fault.UNREACHABLE, hang_up),
    "not HTTP": (Fault.BROKER_NONSENSE, then(b"220 mail.example ESMTP\r\n", hang_up)),
    "a thousand headers": (Fault.BROKER_NONSENSE, http("", **{f"X_{n}": "x" for n in range(1000)})),
    "HTTP 500": (Fault.BROKER_FAULT, http("oops", "500 Internal Server Error")),
    "HTTP 503": (Fault.BROKER_FAULT, http("later", "503 Service Unavailable")),
    "HTTP 404": (Fault.BROKER_FAULT, http("where?", "404 Not Found")),
    "redirection": (Fault.BROKER_FAULT, http("", "302 Found", Location="https://192.0.2.1/")),
    "no content": (Fault.BROKER_FAULT, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "empty body": (Fault.BROKER_NONSENSE, http("")),
    "page of a Wi-Fi": (Fault.BROKER_NONSENSE, http(HTML, Content_Type="text/html")),
    "JSON": (Fault.BROKER_NONSENSE, http('{"challenge": "QUJD"}', Content_Type="application/json")),
    "binary": (Fault.BROKER_NONSENSE, http(bytes(range(256)) * 9)),
    "UTF-16": (Fault.BROKER_NONSENSE, http(gp("").encode("utf-16"))),
    "XML cut short": (Fault.BROKER_NONSENSE, http(gp("")[:-3])),
    "another document": (Fault.BROKER_NONSENSE, http("<html/>")),
    "no challenge": (Fault.BROKER_NONSENSE, activation(challenge=None)),
    "challenge empty": (Fault.BROKER_NONSENSE, activation(challenge="")),
    "challenge not base64": (Fault.BROKER_NONSENSE, activation(challenge="A")),
    "challenge not ASCII": (Fault.BROKER_NONSENSE, activation(challenge="\u00c4" * 64)),
    "challenge of three bytes": (Fault.BROKER_NONSENSE, activation(challenge="QUJD")),
    "challenge of 1 MB": (Fault.BROKER_NONSENSE, activation(challenge="QUJD" * (1 << 18))),
    "no server signature": (Fault.BROKER_NONSENSE, activation(signature=None)),
    "two challenges": (Fault.BROKER_NONSENSE, http(gp(parameter("challenge", CHALLENGE) * 2))),
    "refused": (Fault.BROKER_REFUSED, http("<HTML><STATUS>Invalid input request</STATUS></HTML>")),
}
VALIDATE: dict[str, tuple[Any, Lie]] = {
    "not valid": (Fault.BROKER_REFUSED, http("<HTML><STATUS>Failed To Validate</STATUS></HTML>")),
    "refused with a reason": (Fault.BROKER_REFUSED, http("", X_Spine_Stub_Reason="revoked")),
    "validation dropped": (Fault.UNREACHABLE, hang_up),
    "validation never answered": (Fault.BROKER_TIMEOUT, silence),
    "validation with HTTP 500": (Fault.BROKER_FAULT, http("", "500 Internal Server Error")),
    "no ticket": (Fault.BROKER_NONSENSE, validation(sso_ticket=None)),
    "ticket empty": (Fault.BROKER_NONSENSE, validation(sso_ticket="")),
    "two tickets": (Fault.BROKER_NONSENSE, validation(parameter("sso_ticket", "another"))),
    "no name": (Fault.BROKER_NONSENSE, validation(cn=None)),
    "no way to log out": (Fault.BROKER_NONSENSE, validation(sso_logout_url=None)),
    "minutes in words": (Fault.BROKER_NONSENSE, validation(sso_max_session_time="ten")),
    "minutes below zero": (Fault.BROKER_NONSENSE, validation(sso_max_session_time="-1")),
    "minutes without end": (Fault.BROKER_NONSENSE, validation(sso_max_session_time="9" * 5000)),
    "no idle minutes": (Fault.BROKER_NONSENSE, validation(sso_session_time=None)),
    "role without id": (Fault.BROKER_NONSENSE, validation(parameter("nhsjobrole0", ROLE))),
    "role text broken": (Fault.BROKER_NONSENSE, validation(parameter("nhsjobrole0", "Nurse", 'id="1"'))),
    "role without text": (Fault.BROKER_NONSENSE, validation(parameter("nhsjobrole0", "", 'id="1"'))),
}
REFUSED = "<HTML><STATUS>Failed To Validate</STATUS></HTML>"
SELECT: dict[str, tuple[Any, Lie]] = {
    "role refused": (Fault.ROLE_REFUSED, http("<HTML><STATUS>No</STATUS></HTML>")),
    "role not OK": (Fault.ROLE_REFUSED, http("<HTML><STATUS>NOT OK</STATUS></HTML>")),
    "role, OK in another place": (Fault.ROLE_REFUSED, http("<HTML>OK<STATUS>LOOK IT UP</STATUS></HTML>")),
    "role for no session": (Fault.ENDED_BY_BROKER, http("<HTML><STATUS>INVALID TOKEN</STATUS></HTML>")),
    "session ended meanwhile": (Fault.ENDED_BY_BROKER, http(REFUSED, X_Spine_Stub_Reason="ticket-not-valid")),
    "role not held": (Fault.ROLE_REFUSED, http(REFUSED, X_Spine_Stub_Reason="role-not-held")),
    "role never answered": (Fault.BROKER_TIMEOUT, silence),
    "role dropped": (Fault.UNREACHABLE, hang_up),
    "role binary": (Fault.BROKER_NONSENSE, http(b"\xff\xfe\x00")),
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
    assert problem.fault in (expected if isinstance(expected, tuple) else (expected,)), (
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
    assert person.problem().fault.exit_code in (8, 9)
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
    assert person.problem().fault is Fault.BROKER_FAULT
    person.close()
