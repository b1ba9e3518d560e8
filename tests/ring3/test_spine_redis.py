"""Several brokers behind one real redis are one broker."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.machine import stop, wait_until
from support.servers import own_port, running_redis
from support.spine import SpineFactory
from support.spine_client import Card, Client, reason, sign_cms, smime

from spine_stub.errors import DataError, Unavailable
from spine_stub.sessions import Limits, Session
from spine_stub.sessions.redis import RedisStore

HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=80)


@pytest.fixture
def make_store(redis_url: str) -> Iterator[Callable[..., RedisStore]]:
    """make_store(absolute=, idle=) is a store in the run's redis."""
    made = []

    def make(absolute: timedelta = HOUR, idle: timedelta = HOUR) -> RedisStore:
        made.append(RedisStore.connect(redis_url, Limits(absolute, idle)))
        return made[-1]

    yield make
    for store in made:
        store.release()


@pytest.fixture
def two_brokers(data: Path, redis_url: str) -> Iterator[tuple[Client, Client]]:
    """A client each of two broker processes behind one redis."""
    processes = [_start(data, redis_url) for _ in range(2)]
    yield tuple(Client(_url(process), data / "ca.pem") for process in processes)  # type: ignore[misc]
    for process in processes:
        stop(process)
        assert process.stdout
        process.stdout.close()


def _start(data: Path, store: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "spine_stub", "--data", str(data), "--port", "0", "--store", store]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ})


def _url(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout
    return process.stdout.readline().decode().split()[1]


def test_a_challenge_used_at_one_is_refused_at_the_other(two_brokers: tuple[Client, Client], data: Path) -> None:
    first, second = two_brokers
    card = Card.load(data, "one-role")
    challenge, signature = first.activate()
    body = first.answer(card, smime(sign_cms(card, base64.b64decode(challenge)).dump()), challenge, signature)
    assert reason(second.post("/login/authvalidate", body)) is None, "one broker takes the other's challenge"
    assert reason(first.post("/login/authvalidate", body)) == "challenge-already-used"
    assert reason(second.post("/login/authvalidate", body)) == "challenge-already-used"


def test_logging_out_at_one_ends_the_session_at_both(two_brokers: tuple[Client, Client], data: Path) -> None:
    first, second = two_brokers
    ticket = first.sign_in(Card.load(data, "one-role"))
    assert second.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000201", ssbMode="1").ok
    assert '"ssbMode"' in first.get("/saml/RoleAssertion", token=ticket).text
    assert second.get("/login/authlogout", token=ticket).ok
    for client in two_brokers:
        assert reason(client.get("/saml/RoleAssertion", token=ticket)) == "ticket-not-valid"


def test_a_session_keeps_what_is_noted_in_it(make_store: Callable[..., RedisStore]) -> None:
    store = make_store()
    opened = store.open("key", "555", b"challenge", HOUR)
    assert opened
    assert store.sessions()["key"] == opened
    store.choose_role("key", "1", "1")
    session = store.use("key")
    assert session
    assert (session.uid, session.role_id, session.mode) == ("555", "1", "1")
    assert session.last_used >= session.opened == opened.opened


def test_a_session_ends_by_the_clock_of_redis(make_store: Callable[..., RedisStore]) -> None:
    store = make_store(idle=MOMENT)
    store.open("key", "555", b"challenge", MOMENT)
    wait_until(lambda: store.sessions().get("key") is None, what="the end of an idle session")
    assert store.use("key") is None
    store.choose_role("key", "1", "0")
    assert dict(store.sessions()) == {}, "a role was chosen in a session that had ended"


def test_a_busy_session_ends_at_its_limit(make_store: Callable[..., RedisStore]) -> None:
    store = make_store(absolute=MOMENT)
    store.open("key", "555", b"challenge", MOMENT)
    wait_until(lambda: store.use("key") is None, what="the end of a busy session")


def test_use_puts_the_end_of_an_idle_session_off(make_store: Callable[..., RedisStore], redis_url: str) -> None:
    import redis

    make_store(idle=MOMENT).open("key", "555", b"challenge", MOMENT)
    assert make_store().use("key"), "what counts is the limit of the broker that was asked last"
    with redis.Redis.from_url(redis_url) as client:
        assert client.pttl("spine:session:key") > MOMENT // timedelta(milliseconds=1)


def test_a_challenge_is_claimed_once_and_forgotten_in_time(make_store: Callable[..., RedisStore]) -> None:
    store, other = make_store(), make_store()
    assert store.open("key", "555", b"challenge", MOMENT)
    assert other.open("other key", "555", b"challenge", MOMENT) is None
    assert list(store.sessions()) == ["key"]
    wait_until(lambda: other.open("other key", "555", b"challenge", MOMENT), what="the end of a used challenge")


def test_ending_a_session_twice_is_no_error(make_store: Callable[..., RedisStore]) -> None:
    store = make_store()
    store.open("key", "555", b"challenge", MOMENT)
    assert (store.close("key"), store.close("key")) == (True, False)


def test_a_redis_that_stops_is_said_and_found_again(spine_factory: SpineFactory, tmp_path: Path) -> None:
    with own_port() as port:
        with running_redis(port, tmp_path):
            spine = spine_factory(store=f"redis://127.0.0.1:{port}")
            client, ticket = spine.login()
        reply = client.get("/saml/RoleAssertion", token=ticket)
        assert (reply.status_code, reason(reply)) == (503, "store-unavailable")
        with running_redis(port, tmp_path):
            assert client.sign_in(spine.card("one-role"))
    assert reason(client.get("/login/authlogout", token=ticket)) == "store-unavailable"


def test_a_reply_that_comes_too_late_is_not_taken_for_the_next(
    make_store: Callable[..., RedisStore], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    monkeypatch.setattr("spine_stub.sessions.redis._SECONDS", 0.1)
    store = make_store()
    store.open("key", "555", b"challenge", HOUR)
    with redis.Redis.from_url(redis_url) as client:
        client.client_pause(300)
    with pytest.raises(Unavailable):
        store.close("another key")

    def found() -> Session | None:
        with contextlib.suppress(Unavailable):
            return store.sessions().get("key")
        return None

    wait_until(found, what="the session, once redis goes on")
    store.close("key")
    assert store.sessions().get("key") is None


def test_a_redis_that_is_not_there_is_said_at_the_start() -> None:
    words = r"the session store 127\.0\.0\.1:\d+/0 does not answer"
    with own_port() as port, pytest.raises(DataError, match=words) as caught:
        RedisStore.connect(f"redis://somebody:secret@127.0.0.1:{port}/0", Limits(HOUR, HOUR))
    assert "secret" not in str(caught.value)
