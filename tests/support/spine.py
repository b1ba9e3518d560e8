"""A running broker for tests, with a clock that they can set.

Fixtures: `demo_data` (a DIR, filled once), `data` (a private copy of it), `desk` (the broker
without HTTP), `spine` (a broker over HTTPS on a free port) with its `client`, its `stub`, how many
`sessions` it has and its CIS2, `provider`, and `spine_factory` (with settings).
"""

from __future__ import annotations

import base64
import functools
import logging
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms

from spine_stub import Config
from spine_stub.app import make_broker
from spine_stub.cis2.provider import Provider
from spine_stub.cis2.tokens.keys import KEY, stored_key
from spine_stub.config import RandomBytes, system_clock
from spine_stub.errors import BrokerError
from spine_stub.login.broker import Broker
from spine_stub.pki import first_start
from spine_stub.pki.authority import ec_key
from spine_stub.pki.registration import RegistrationAuthority
from spine_stub.sessions import Limits
from spine_stub.sessions.sqlite import SqliteStore
from spine_stub.stub import Stub
from spine_stub.testing import SpineStub

from .spine_client import Card, Client, make_card, message, reason, sign_cms


class SettableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """advance(minutes=5): as timedelta's arguments."""
        self.now += timedelta(**by)


class Spine(SpineStub):
    """The broker that we ship for tests, with a clock that they can set and cards as programs see them."""

    def __init__(self, data: Path, log: list[str], **settings: Any) -> None:
        self.clock = SettableClock()
        self.log = log
        """Every line the broker has logged, at the lowest level."""
        super().__init__(data, clock=self.clock, **{"store": "sqlite", **settings})

    def card(self, name: str = "one-role", slot: str = "9A") -> Card:
        return Card.load(self.data, name, slot)

    def client(self) -> Client:
        return Client(self.url, self.ca_file)

    def is_over(self, ticket: str) -> bool:
        """Whether the broker refuses this ticket."""
        return reason(self.client().get("/saml/RoleAssertion", token=ticket)) is not None

    def login(self, name: str = "three-roles") -> tuple[Client, str]:
        client = self.client()
        return client, client.sign_in(self.card(name))


Spoil = Callable[[cms.ContentInfo, Card], None]
"""Changes an answer of a card for the worse."""


@dataclass
class Desk:
    """A broker without a web server in front of it, and the messages to hand to it."""

    broker: Broker
    clock: SettableClock
    data: Path

    @classmethod
    def open(cls, data: Path, random: RandomBytes = secrets.token_bytes, **settings: Any) -> Desk:
        """A broker of this DIR that remembers its sessions in memory only; `settings` are those of Config."""
        clock, config = SettableClock(), Config(data, **settings)
        store = SqliteStore.in_memory(Limits(config.max_session, config.idle), clock)
        return cls(make_broker(config, clock, random, store), clock, data)

    @property
    def registration(self) -> RegistrationAuthority:
        """Who enters people and issues cards in this DIR."""
        return RegistrationAuthority(self.data, None, self.clock, self.broker.random)

    def card(self, name: str = "one-role", slot: str = "9A") -> Card:
        return Card.load(self.data, name, slot)

    def challenge(self) -> tuple[bytes, dict[str, str]]:
        """The bytes to sign, and the parameters that echo them."""
        challenge, signature = self.broker.activate({})
        echo = {"challenge": challenge, "signature": signature}
        return base64.b64decode(challenge), echo

    def answer(self, card: Card | None = None, **signing: Any) -> dict[str, str]:
        """A correct authvalidate message."""
        card = card or self.card()
        challenge, echo = self.challenge()
        return message(card.uid, sign_cms(card, challenge, **signing), echo)

    def spoiled(self, spoil: Spoil, **signing: Any) -> dict[str, str]:
        """An authvalidate message that was right until `spoil` changed it."""
        card = self.card()
        challenge, echo = self.challenge()
        info = sign_cms(card, challenge, **signing)
        spoil(info, card)
        return message(card.uid, info, echo)

    def refusal(self, answer: dict[str, str]) -> str:
        """Why an authvalidate message that must be refused is refused."""
        with pytest.raises(BrokerError) as caught:
            self.broker.validate(answer)
        return caught.value.reason


class _ListHandler(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.NOTSET)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


class SpineFactory:
    """Starts brokers for one test; everything it started is stopped after the test."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._running = ExitStack()
        self._log: list[str] = []
        self._handler = _ListHandler(self._log)
        logger = logging.getLogger("spine_stub")
        logger.addHandler(self._handler)
        logger.setLevel(logging.DEBUG)

    def __call__(self, **settings: Any) -> Spine:
        return self._running.enter_context(Spine(self._data, self._log, **settings))

    def stop(self) -> None:
        self._running.close()
        logger = logging.getLogger("spine_stub")
        logger.removeHandler(self._handler)
        logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DIR filled once for the whole run, with the key of CIS2. Do not change it: take `data` for that."""
    data = tmp_path_factory.mktemp("spine") / "demo"
    first_start.fill(data, system_clock(), secrets.token_bytes)
    stored_key(data / KEY)
    return data


@pytest.fixture
def data(demo_data: Path, tmp_path: Path) -> Path:
    """A private copy of the demonstration DIR."""
    return Path(shutil.copytree(demo_data, tmp_path / "data"))


@pytest.fixture
def desk(demo_data: Path) -> Desk:
    """The broker itself, without HTTP, for the demonstration DIR."""
    return Desk.open(demo_data)


@pytest.fixture
def clock() -> SettableClock:
    """A clock for what has none of a broker."""
    return SettableClock()


@pytest.fixture
def issue(demo_data: Path) -> Callable[..., Card]:
    """issue(uid, key, **changes) makes a card of the test CA; `changes` are make_card's."""
    return functools.partial(make_card, demo_data)


@pytest.fixture
def ec_card(issue: Callable[..., Card]) -> Card:
    """A card for the person of `one-role` whose 9A is P-256."""
    return issue("555000000002", ec_key())


@pytest.fixture
def spine_factory(data: Path) -> Iterator[SpineFactory]:
    """spine_factory(allow_sha1=True) starts a broker with these settings of Config."""
    factory = SpineFactory(data)
    yield factory
    factory.stop()


@pytest.fixture
def spine(spine_factory: SpineFactory) -> Spine:
    """A broker with the usual settings, over HTTPS."""
    return spine_factory()


@pytest.fixture
def client(spine: Spine) -> Client:
    """A client of `spine`, with a connection of its own."""
    return spine.client()


@pytest.fixture
def stub(spine: Spine) -> Stub:
    """What a developer sees of `spine` and does to it."""
    return Stub.of(spine.app)


@pytest.fixture
def sessions(stub: Stub) -> Callable[[], int]:
    """How many sessions are open at `spine`."""
    return lambda: len(stub.broker.store.sessions())


@pytest.fixture
def provider(stub: Stub) -> Provider:
    """The CIS2 of `spine`."""
    assert stub.cis2
    return stub.cis2
