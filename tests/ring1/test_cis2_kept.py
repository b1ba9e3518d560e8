"""What CIS2 keeps: codes, tokens, sessions and steps, each bounded, each for its time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.spine import SettableClock

from spine_stub.cis2.identity.sessions import Authentication, Session, Sessions
from spine_stub.cis2.journal import Journal
from spine_stub.cis2.provider import SettableClock as ProvidersClock
from spine_stub.cis2.tokens import codes as codes_module
from spine_stub.cis2.tokens.codes import AuthorizationRequest, BadCode, Codes, Grant

HOUR = timedelta(hours=1)


def authentication(clock: SettableClock) -> Authentication:
    return Authentication("555000000002", clock(), "N3_SMARTCARD", 3)


def grant(clock: SettableClock, sid: str = "s") -> Grant:
    who = authentication(clock)
    request = AuthorizationRequest("sign-in", "client", "http://127.0.0.1/", {"scope": "openid a openid"})
    return Grant(request, Session(sid, who, clock()), who)


def test_an_access_token_lasts_an_hour(clock: SettableClock) -> None:
    codes = Codes(clock)
    token = codes.give_token(grant(clock))
    clock.advance(minutes=59, seconds=59)
    assert codes.of_token(token)
    clock.advance(seconds=1)
    assert codes.of_token(token) is None


def test_the_oldest_codes_are_forgotten(clock: SettableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes_module, "_MOST", 3)
    codes = Codes(clock)
    for number in range(5):
        codes.give_code(str(number), grant(clock))
    for number in range(2):
        with pytest.raises(BadCode, match="never given"):
            codes.take_code(str(number), "client")
    assert [codes.take_code(str(number), "client").code for number in range(2, 5)] == ["2", "3", "4"]


def test_the_end_of_a_session_ends_its_codes_and_tokens_and_no_others(clock: SettableClock) -> None:
    codes = Codes(clock)
    for sid in ("a", "b"):
        codes.give_code(f"code {sid}", grant(clock, sid))
    tokens = {sid: codes.give_token(grant(clock, sid)) for sid in ("a", "b")}
    codes.end_session("a")
    assert codes.of_token(tokens["a"]) is None
    with pytest.raises(BadCode, match="its session is over"):
        codes.take_code("code a", "client")
    assert codes.of_token(tokens["b"])
    assert codes.take_code("code b", "client")


def test_a_scope_that_is_named_twice_is_one(clock: SettableClock) -> None:
    assert grant(clock).get_scope() == "openid a"


def test_a_code_is_in_no_repr(clock: SettableClock) -> None:
    codes = Codes(clock)
    codes.give_code("the-secret-code", grant(clock))
    assert "the-secret-code" not in repr(codes.take_code("the-secret-code", "client"))


def test_a_session_that_is_over_is_told_once(clock: SettableClock) -> None:
    sessions, told = Sessions(clock, HOUR), []
    sessions.on_end.append(lambda session, reason: told.append((session.sid, reason)))
    session = sessions.open(authentication(clock))
    assert sessions.of_cookie(session.cookie) is session
    assert sessions.of_cookie(session.sid) is sessions.of_cookie(None) is sessions.of_cookie("\u00ff\udcff") is None
    clock.advance(hours=1)
    assert sessions.of_cookie(session.cookie) is None
    assert not sessions.end(session.sid, "logged_out")
    assert told == [(session.sid, "expired")]


def test_sid_and_cookie_tell_nothing_of_each_other(clock: SettableClock) -> None:
    session = Sessions(clock, HOUR).open(authentication(clock))
    assert session.cookie not in repr(session)
    assert session.sid not in session.cookie


def test_the_journal_keeps_no_secret_whole(clock: SettableClock) -> None:
    journal = Journal(clock)
    secret = "a-secret-of-some-length"
    names = ("client_secret", "code", "code_verifier", "client_assertion", "id_token_hint", "access_token")
    step = journal.add("access_token", sent=dict.fromkeys(names, secret), got={"id_token": secret, "state": "as it is"})
    assert set(step.sent.values()) == {"a-secret..."}
    assert step.got == {"id_token": "a-secret...", "state": "as it is"}
    assert journal.add("access_token", sent={"client_secret": "short"}).sent == {"client_secret": "..."}


def test_the_journal_is_bounded_and_found_by_client_and_sign_in(clock: SettableClock) -> None:
    journal = Journal(clock, kept=3)
    for number in range(5):
        journal.add("authorize", client_id=f"c{number % 2}", sign_in=str(number), sent={"state": "x" * 5000})
    assert [step.number for step in journal.steps()] == [3, 4, 5]
    assert [step.sign_in for step in journal.steps(client_id="c0")] == ["2", "4"]
    assert [step.number for step in journal.steps(sign_in="3")] == [4]
    assert {len(step.sent["state"]) for step in journal.steps()} == {2000}
    journal.clear()
    assert journal.add("authorize").number == 6


def test_the_clock_can_be_set_and_moved(clock: SettableClock) -> None:
    ours, begin = ProvidersClock(clock), clock()
    ours.forward(HOUR)
    assert ours() == begin + HOUR
    ours.set(begin - HOUR)
    clock.advance(minutes=1)
    assert ours() == begin - HOUR + timedelta(minutes=1)
    ours.reset()
    assert ours() == clock()
