"""Whom the agent talks to: certificates, TLS, connections; and where the ticket never goes."""

from __future__ import annotations

import functools
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.agent import Person, fails
from support.lying_broker import OK, TICKET, Authority, Lie, LyingBroker, Wrap, authority, http, tls_1_1, validation
from support.scripted_card import BrokenCard, OneCardReader

from agent import AgentError, Broker, Cue, Fault, State


def tls(context: ssl.SSLContext) -> Wrap:
    return functools.partial(context.wrap_socket, server_side=True)


def plain_http(connection: socket.socket) -> socket.socket:
    connection.recv(4096)
    connection.sendall(http("", "400 Bad Request"))
    return never_shakes_hands(connection)


def never_shakes_hands(connection: socket.socket) -> socket.socket:
    while connection.recv(4096):
        pass
    raise OSError("the client has gone")


def hangs_up(connection: socket.socket) -> socket.socket:
    connection.close()
    raise OSError("so does the server")


def says_garbage(connection: socket.socket) -> socket.socket:
    connection.sendall(bytes(range(256)))
    return never_shakes_hands(connection)


CONNECTIONS: dict[str, tuple[Fault, Callable[[], Wrap]]] = {
    "certificate of another CA": (Fault.NOT_TRUSTED, lambda: tls(Authority().context())),
    "certificate expired": (Fault.NOT_TRUSTED, lambda: tls(authority().context(days=-1))),
    "certificate of another host": (Fault.NOT_TRUSTED, lambda: tls(authority().context("gas.example.nhs.uk"))),
    "certificate of another address": (Fault.NOT_TRUSTED, lambda: tls(authority().context("127.0.0.2"))),
    "TLS 1.1": (Fault.NOT_TRUSTED, lambda: tls(tls_1_1(authority().context()))),
    "plain HTTP": (Fault.NOT_TRUSTED, lambda: plain_http),
    "garbage for a handshake": (Fault.NOT_TRUSTED, lambda: says_garbage),
    "no handshake": (Fault.BROKER_TIMEOUT, lambda: never_shakes_hands),
    "hung up": (Fault.UNREACHABLE, lambda: hangs_up),
}


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def person(lying_broker: LyingBroker, ca_file: Path) -> Iterator[Person]:
    person = Person(OneCardReader(BrokenCard()), lambda: Broker(lying_broker.url, ca_file))
    yield person
    person.close()


@pytest.mark.parametrize("name", CONNECTIONS)
def test_each_bad_connection_gives_its_error_and_the_next_attempt_works(
    name: str, lying_broker: LyingBroker, person: Person
) -> None:
    expected, wrap = CONNECTIONS[name]
    honest, lying_broker.wrap = lying_broker.wrap, wrap()
    person.types()
    problem = person.problem()
    assert problem.fault is expected, f"{problem!r}, {problem.technical}"
    assert not lying_broker.requests  # nothing was said to it
    lying_broker.wrap = honest
    person.conductor.handle(Cue.DISMISSED)
    person.types()
    person.sees(State.SIGNED_IN)


def test_a_certificate_of_no_ca_that_the_machine_trusts(lying_broker: LyingBroker) -> None:
    with fails(Fault.NOT_TRUSTED):
        Broker(lying_broker.url, None).activate()


def test_nobody_there(ca_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
    with fails(Fault.UNREACHABLE) as caught:
        Broker(url, ca_file).activate()
    assert caught.value.technical == f"POST {url.removeprefix('https://')}/login/authactivate: Connection refused"


def test_a_name_that_does_not_exist(ca_file: Path) -> None:
    with fails(Fault.UNREACHABLE) as caught:
        Broker("https://no-such-host.invalid", ca_file).activate()
    assert re.fullmatch(r"POST no-such-host\.invalid/login/authactivate: \w+ .*", caught.value.technical)


def test_the_system_s_cas_are_trusted_where_no_file_is_named(
    lying_broker: LyingBroker, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a venv too, where certifi's own list has none of a hospital's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))  # OpenSSL's own way to move the system's list
    with closing(Broker(lying_broker.url, None)) as broker:
        broker.activate()


def test_the_system_s_cas_are_not_trusted_beside_ours(
    lying_broker: LyingBroker, ca_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with fails(Fault.NOT_TRUSTED):
        Broker(lying_broker.url, Authority().write(tmp_path / "ours.pem")).activate()


def test_a_ca_file_that_went_away(lying_broker: LyingBroker, tmp_path: Path) -> None:
    with fails(Fault.UNREACHABLE) as caught:
        Broker(lying_broker.url, tmp_path / "gone.pem").activate()
    assert "No such file" in caught.value.technical


def test_proxies_and_netrc_of_the_environment_are_not_used(
    lying_broker: LyingBroker, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    with closing(Broker(lying_broker.url, ca_file)) as broker:
        broker.activate()


def test_the_whole_conversation_is_one_connection(lying_broker: LyingBroker, person: Person) -> None:
    shaken = []
    honest = lying_broker.wrap
    lying_broker.wrap = lambda connection: shaken.append(1) or honest(connection)
    person.types()
    person.sees(State.SIGNED_IN)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.close()
    assert len(lying_broker.requests) == 4
    assert len(shaken) == 1


# Where the ticket goes


@pytest.fixture
def thief() -> Iterator[LyingBroker]:
    """Another host, with a certificate of a CA that is trusted."""
    thief = LyingBroker()
    thief.lies["authlogout"] = OK
    yield thief
    thief.close()


LOGOUT_URLS = [
    "{thief}/login/authlogout",
    "{spine}.example/login/authlogout",
    "{spine}@{thief_host}/login/authlogout",
    "http{spine_rest}/login/authlogout",
    "https://[::1/login/authlogout",
    "file:///etc/passwd",
    "//{thief_host}/login/authlogout",
    "not an address",
    "https://\u2100/",
]


@pytest.mark.parametrize("logout_url", LOGOUT_URLS)
def test_the_ticket_goes_to_no_other_host(
    logout_url: str, lying_broker: LyingBroker, thief: LyingBroker, person: Person
) -> None:
    url = logout_url.format(
        thief=thief.url,
        thief_host=thief.url.removeprefix("https://"),
        spine=lying_broker.url,
        spine_rest=lying_broker.url.removeprefix("https"),
    )
    lying_broker.lies["authvalidate"] = validation(sso_logout_url=url)
    person.types()
    person.sees(State.SIGNED_IN)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.close()
    (request,) = lying_broker.asked("/login/authlogout")
    assert TICKET.encode() in request
    assert not thief.requests


def test_a_logout_address_of_the_broker_itself_is_used(lying_broker: LyingBroker, person: Person) -> None:
    url = f"{lying_broker.url}/another/authlogout"
    lying_broker.lies["authvalidate"] = validation(sso_logout_url=url)
    person.types()
    person.sees(State.SIGNED_IN)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.close()
    assert lying_broker.asked("/another/authlogout")


@pytest.mark.parametrize("endpoint", ["RoleSelectionGP.jsp", "authlogout"])
def test_no_redirection_carries_the_ticket_away(
    endpoint: str, lying_broker: LyingBroker, thief: LyingBroker, person: Person
) -> None:
    location = f"{thief.url}/login/authlogout"
    lying_broker.lies[endpoint] = http("", "307 Temporary Redirect", Location=location)
    person.types()
    person.sees(State.SIGNED_IN, State.PROBLEM)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.close()
    assert lying_broker.asked(endpoint)
    assert not thief.requests


def status(words: str) -> bytes:
    return http(f"<HTML><STATUS>{words}</STATUS></HTML>")


@pytest.mark.parametrize(
    "lie",
    [
        http("", "500 Oops"),
        http("no"),
        http("OK"),
        http(b"\xff"),
        status("NOT OK"),
        status(""),
        http("<STATUS>no</STATUS><STATUS>OK</STATUS>"),
        lambda connection: None,
    ],
)
def test_a_log_out_that_is_not_confirmed_is_over_here_all_the_same(
    lie: Lie, lying_broker: LyingBroker, ca_file: Path, person: Person
) -> None:
    lying_broker.lies["authlogout"] = lie
    person.types()
    person.sees(State.SIGNED_IN)
    session, attempt = person.session, person.attempt
    with pytest.raises(AgentError, match="sign-in service"), closing(Broker(lying_broker.url, ca_file)) as broker:
        broker.log_out(session)
    person.conductor.handle(Cue.LOG_OUT)
    person.conductor.close()
    assert attempt.broker.open_session is None
