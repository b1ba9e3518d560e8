"""Applications are told that a session is over, whatever ended it and however they answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from examples.strict_client import Refused
from jwcrypto import jwk, jws
from support.cis2_logout import CLIENT_ID, UID, LogoutAddress, provider_of, register, sign_in, strict
from support.machine import wait_until
from support.spine import Spine, SpineFactory

from spine_stub.cis2.control.actions import card_out as pull
from spine_stub.cis2.identity.sessions import Authentication, Session
from spine_stub.cis2.logout.outbox import KEPT_BODY, Logout
from spine_stub.cis2.logout.tokens import EVENT
from spine_stub.cis2.tokens.codes import Grant
from spine_stub.cis2.tokens.reading import taken_apart
from spine_stub.sessions import session_key


def visit(spine: Spine, address: LogoutAddress, ticket: str = "") -> Session:
    """A session in which the strict client had tokens; it rests on a ticket's if one is given."""
    provider = provider_of(spine)
    register(spine, backchannel_logout_uri=address.url)
    who = Authentication(UID, provider.clock(), "N3_SMARTCARD", 3)
    session = provider.sessions.open(who, session_key(ticket) if ticket else "")
    session.clients[CLIENT_ID], session.issuers[CLIENT_ID] = "a-sign-in", "https://issuer.test:443/realm"
    return session


def told(spine: Spine) -> Logout:
    """What became of the first logout that was sent."""
    return wait_until(lambda: provider_of(spine).outbox.logouts())[0]


def test_the_token_is_the_real_providers(spine: Spine, logout_address: LogoutAddress) -> None:
    provider, session = provider_of(spine), visit(spine, logout_address)
    provider.sessions.end(session.sid, "control")
    [received] = wait_until(lambda: logout_address.received)
    assert (received.path, received.headers["Content-Type"]) == ("/logout", "application/x-www-form-urlencoded")
    header, claims = taken_apart(received.token)
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    now = int(provider.clock().timestamp())
    expected = {"iss": "https://issuer.test:443/realm", "aud": CLIENT_ID, "sub": UID, "sid": session.sid, "iat": now}
    assert claims.items() >= {**expected, "exp": now + 120, "cause": "SESSION_TERMINATION"}.items()
    assert claims["events"] == {EVENT: {}}
    assert "nonce" not in claims
    keys = {key["kid"]: key for key in provider.keys.public()["keys"]}
    jws.JWS().deserialize(received.token, jwk.JWK(**keys[header["kid"]]))


def card_out(spine: Spine, ticket: str) -> None:
    spine.client().get("/login/authlogout", token=ticket)


def idle(spine: Spine, _: str) -> None:
    spine.clock.advance(hours=11)


def by_clock(spine: Spine, _: str) -> None:
    provider_of(spine).clock.forward(timedelta(hours=11))


def by_console(spine: Spine, ticket: str) -> None:
    session = session_key(ticket)[:16]
    headers = {"Origin": spine.url}
    spine.client().http.post(
        f"{spine.url}/stub/api/sessions/end", json={"session": session}, headers=headers, timeout=10
    )


@pytest.mark.parametrize(
    ("way", "reason"), [(card_out, "card_out"), (idle, "expired"), (by_clock, "expired"), (by_console, "control")]
)
def test_the_end_of_the_cards_session_is_told(
    spine: Spine, logout_address: LogoutAddress, way: Callable[[Spine, str], None], reason: str
) -> None:
    _, ticket = spine.login("one-role")
    session = visit(spine, logout_address, ticket)
    way(spine, ticket)
    logout = told(spine)
    assert (logout.reason, logout.sid, logout.status) == (reason, session.sid, 200)
    assert provider_of(spine).sessions.get(session.sid) is None
    assert len(logout_address.received) == 1


def test_a_card_that_a_test_pulls_ends_every_session_that_rests_on_it(
    spine: Spine, logout_address: LogoutAddress
) -> None:
    _, ticket = spine.login("one-role")
    first, second = (visit(spine, logout_address, ticket) for _ in range(2))
    pull(provider_of(spine), sid=first.sid)
    logouts = wait_until(lambda: (found := provider_of(spine).outbox.logouts())[1:] and found)
    assert {(logout.sid, logout.reason) for logout in logouts} == {(first.sid, "card_out"), (second.sid, "card_out")}


def test_nothing_watches_a_card_whose_sessions_are_over(spine: Spine, logout_address: LogoutAddress) -> None:
    client, ticket = spine.login("one-role")
    first, second = (visit(spine, logout_address, ticket) for _ in range(2))
    provider = provider_of(spine)
    provider.sessions.end(first.sid, "control")
    provider.reset()
    assert not provider.broker.endings._listeners
    assert client.get("/login/authlogout", token=ticket).ok
    assert second.sid not in [logout.sid for logout in provider.outbox.logouts()]


def test_it_is_told_within_100_ms(spine: Spine, logout_address: LogoutAddress) -> None:
    """The median of nine: one may meet another program that takes the processor."""
    times = []
    for number in range(9):
        client, ticket = spine.login("one-role")
        visit(spine, logout_address, ticket)
        begun = time.perf_counter()
        client.get("/login/authlogout", token=ticket)
        wait_until(lambda count=number: len(logout_address.received) > count)
        times.append(logout_address.received[-1].at - begun)
    assert sorted(times)[4] < 0.1


def test_a_session_without_a_card_ends_at_its_time(spine_factory: SpineFactory, logout_address: LogoutAddress) -> None:
    spine = spine_factory(max_session=timedelta(minutes=1))
    visit(spine, logout_address)
    spine.clock.advance(minutes=2)
    assert told(spine).reason == "expired"


def test_an_application_that_had_no_tokens_hears_nothing(spine: Spine, logout_address: LogoutAddress) -> None:
    register(spine, id="another", backchannel_logout_uri=logout_address.url)
    session = visit(spine, logout_address)
    provider_of(spine).sessions.end(session.sid, "control")
    assert told(spine).client_id == CLIENT_ID
    assert len(provider_of(spine).outbox.logouts()) == 1


def test_the_journal_has_it(spine: Spine, logout_address: LogoutAddress) -> None:
    provider, session = provider_of(spine), visit(spine, logout_address)
    provider.sessions.end(session.sid, "control")
    [step] = wait_until(lambda: [step for step in provider.journal.steps() if step.endpoint == "logout"])
    assert (step.sign_in, step.client_id, step.got["status"], step.refused) == ("a-sign-in", CLIENT_ID, 200, "")
    assert step.sent["claims"]["sid"] == session.sid


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.end_headers()


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):  # nobody reads on
        for _ in range(10_000):
            handler.wfile.write(b"x" * 1000)


def refusing(handler: BaseHTTPRequestHandler) -> None:
    body = b'{"error": "invalid_request"}' + b" " * 2000
    handler.send_response(400)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize(
    ("answer", "status", "trouble"),
    [
        (garbage, None, "does not answer"),
        (reset, None, "does not answer"),
        (endless, None, "answers more than"),
        (redirect, 302, ""),
        (refusing, 400, ""),
    ],
)
def test_what_was_answered_is_kept(
    spine: Spine,
    logout_address: LogoutAddress,
    answer: Callable[[BaseHTTPRequestHandler], None],
    status: int,
    trouble: str,
) -> None:
    logout_address.answer = answer
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    logout = told(spine)
    assert (logout.status, trouble in logout.trouble) == (status, True)
    assert [received.path for received in logout_address.received] == ["/logout"]  # no redirect was followed
    assert len(logout.body) <= KEPT_BODY


def test_one_that_does_not_answer_holds_nobody_up(spine: Spine, logout_address: LogoutAddress) -> None:
    provider, go_on = provider_of(spine), threading.Event()
    slow = LogoutAddress(lambda _: go_on.wait(10))
    try:
        provider.sessions.end(visit(spine, slow).sid, "control")
        wait_until(lambda: slow.received)
        provider.sessions.end(visit(spine, logout_address).sid, "control")
        wait_until(lambda: provider.outbox.logouts())
        assert [logout.address for logout in provider.outbox.logouts()] == [logout_address.url]
    finally:
        go_on.set()
        slow.close()


def test_another_machine_is_not_called(spine: Spine, logout_address: LogoutAddress) -> None:
    logout_address.url = "http://192.0.2.1/logout"
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    assert "192.0.2.1 is not this machine, and --allow-host does not name it" in told(spine).trouble


@pytest.mark.parametrize("fault", ["http-503", "drop", "hang", "half-body"])
def test_a_fault_can_keep_a_token_back(spine: Spine, logout_address: LogoutAddress, fault: str) -> None:
    spine.faults.once(fault, endpoint="backchannel-logout", client=CLIENT_ID)
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    logout = told(spine)
    assert (logout.status, logout.fault, logout_address.received) == (None, fault, [])
    [step] = wait_until(provider_of(spine).journal.steps)
    assert step.fault == fault


@pytest.mark.parametrize(("who", "fault"), [("another", ""), (CLIENT_ID, "logout-old"), (UID, "logout-old")])
def test_a_fault_is_for_whom_it_names(spine: Spine, logout_address: LogoutAddress, who: str, fault: str) -> None:
    spine.faults.always("logout-old", client=who)
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    assert told(spine).fault == fault


def test_a_fault_that_fails_is_said(spine: Spine, logout_address: LogoutAddress) -> None:
    spine.faults.once(lambda _: 1 / 0, endpoint="backchannel-logout")  # type: ignore[arg-type, return-value]
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    assert told(spine).trouble == "the fault that is set failed: ZeroDivisionError('division by zero')"


def test_the_log_has_it_without_the_token(spine: Spine, logout_address: LogoutAddress) -> None:
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    assert told(spine).status == 200
    [line] = wait_until(lambda: [line for line in spine.log if "logout token" in line])
    assert line.startswith(f"logout token for {CLIENT_ID}, control: 200 ")
    assert logout_address.received[0].token not in "\n".join(spine.log)


def test_a_token_can_come_late(spine: Spine, logout_address: LogoutAddress) -> None:
    spine.faults.once("delay", "0.2", endpoint="backchannel-logout")
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    assert told(spine).milliseconds > 200
    assert logout_address.received


def test_a_broker_that_ends_waits_for_no_application(spine: Spine, logout_address: LogoutAddress) -> None:
    spine.faults.once("delay", "60", endpoint="backchannel-logout")
    provider_of(spine).sessions.end(visit(spine, logout_address).sid, "control")
    begun = time.monotonic()
    spine.stop()
    assert time.monotonic() - begun < 3


def test_a_card_pulled_while_tokens_are_made_gives_none(
    spine: Spine, logout_address: LogoutAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the application would be told before it knows anybody, and then never."""
    register(spine, backchannel_logout_uri=logout_address.url)
    client, provider = strict(spine), provider_of(spine)
    given = provider.codes.give_token

    def pulled(grant: Grant) -> str:
        provider.sessions.end(grant.session.sid, "card_out")
        return given(grant)

    monkeypatch.setattr(provider.codes, "give_token", pulled)
    with pytest.raises(Refused, match="invalid_grant"):
        sign_in(spine, client)
    assert not provider.codes._tokens


def test_a_whole_sign_in_is_ended_by_the_card(spine: Spine, logout_address: LogoutAddress) -> None:
    register(spine, backchannel_logout_uri=logout_address.url)
    client, provider = strict(spine), provider_of(spine)
    sid = sign_in(spine, client).sid
    provider.sessions.end(sid, "control")
    client.log_out(wait_until(lambda: logout_address.received)[0].token)
    assert not client.visits
