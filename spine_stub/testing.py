"""The broker inside a test: `with SpineStub() as spine:` runs it over HTTPS on a free port.

    spine.url, spine.ca_file                              for the client under test
    spine.card("one-role")                                a folder with PEM files, for its keys
    spine.people.add_person("Test Person")                people, roles and cards
    spine.faults.once("http-503", endpoint="authvalidate")
    sent = spine.wait_for("authvalidate")                 what the client sent
    sent.assert_sent(mobility="0", challenge=ANYTHING)
    spine.assert_signed_in("555000000002")
    spine.cis2.sign_in("555000000002")                    and CIS2, for applications: cis2/control/kit.py

docs/testing-with-the-broker.md shows it at work.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flask import Flask

from .app import create_app
from .cis2 import NOT_SERVED
from .cis2.control.kit import Cis2
from .config import Clock, Config, system_clock
from .errors import DataError
from .explain.explanation import explain, explain_exchange
from .explain.record import Exchange, SignIn
from .faults import Faults
from .folder import CARDS, ROOT
from .pki.first_start import fill
from .pki.registration import RegistrationAuthority
from .stub import Stub
from .web.server import Server
from .web.tls import Greeting

_NOT_RUNNING = "the stub is not running: use it as `with SpineStub() as spine:`"


class Anything:
    """Equal to whatever was sent, as long as something was."""

    def __repr__(self) -> str:
        return "ANYTHING"


ANYTHING = Anything()
Expected = str | Anything | None | Callable[[str], bool]
"""A value, ANYTHING, None for a parameter that must not be there, or a function that says whether it will do."""


@dataclass(frozen=True)
class Sent:
    """What a client sent in one request, and what came of it."""

    exchange: Exchange
    _stub: Stub = field(repr=False)

    def __getitem__(self, name: str) -> str:
        """A parameter; raises AssertionError when it was not sent."""
        if name not in self.exchange.message:
            raise AssertionError(self._described([f"no parameter {name!r} was sent"]))
        return self.exchange.message[name]

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that are kept, such as User-Agent and Analytics."""
        return self.exchange.headers

    def assert_sent(self, **expected: Expected) -> None:
        """Compare parameters; raises AssertionError that lists each one that differs."""
        message = self.exchange.message
        self._check([_difference(name, value, message.get(name)) for name, value in expected.items()])

    def assert_header(self, name: str, expected: Expected) -> None:
        """Compare a header; raises AssertionError."""
        self._check([_difference(f"header {name}", expected, self.headers.get(name))])

    def assert_ok(self) -> None:
        """Raises AssertionError that says which check refused, and the bytes it was about."""
        if self.exchange.outcome == "ok":
            return
        found: list[str] = []
        if self.exchange.endpoint == "authvalidate":
            found = explain_exchange(self._stub.broker, self.exchange, None).problems
        raise AssertionError(self._described(found or [f"{self.exchange.outcome}: {self.exchange.reason}"]))

    def _check(self, differences: list[str]) -> None:
        found = [difference for difference in differences if difference]
        if found:
            raise AssertionError(self._described(found))

    def _described(self, lines: list[str]) -> str:
        return "\n".join([self.exchange.line, *(f"  {line}" for line in lines)])


class SpineStub:
    """A broker for tests, over HTTPS on a free port of this machine.

    Without `data` it has a folder of its own, with the demonstration people and cards, and throws
    that away at the end. Filling one takes about a second: share a stub, and `clear` it between tests.
    """

    def __init__(
        self, data: Path | None = None, *, port: int = 0, tls: bool = True, clock: Clock | None = None, **settings: Any
    ) -> None:
        """`settings` are those of Config, such as allow_sha1=True or idle=timedelta(minutes=1)."""
        self._folder = tempfile.TemporaryDirectory(prefix="spine-stub-") if data is None else None
        self.data = Path(self._folder.name) / "data" if self._folder else Path(data or "")
        self._port, self._tls, self._clock = port, tls, clock
        self._settings = {"store": "memory", **settings}
        self.app: Flask | None = None
        """The WSGI application, once it was started."""
        self._server: Server | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve; raises DataError."""
        fill(self.data, (self._clock or system_clock)(), secrets.token_bytes)
        self.app = create_app(Config(self.data, **self._settings), clock=self._clock)
        greeting = Greeting(self._stub) if self._tls else None
        server = Server(self.app, "127.0.0.1", self._port, greeting)
        try:
            server.prepare()
        except DataError:
            self._stub.release()
            raise
        self._thread = threading.Thread(target=server.serve, daemon=True)
        self._thread.start()
        self._server = server

    def stop(self) -> None:
        """Stop, and remove what was made for this stub."""
        if self._server:
            self._server.stop()
            self._thread.join()
            self._stub.release()
            self._server = None
        if self._folder:
            self._folder.cleanup()

    @property
    def url(self) -> str:
        """Where clients reach it."""
        if self._server is None:
            raise DataError(_NOT_RUNNING)
        return self._server.url + self._stub.broker.config.path_prefix

    @property
    def ca_file(self) -> Path:
        """The certificate that clients must trust."""
        return self.data / ROOT

    @property
    def faults(self) -> Faults:
        """What is to go wrong: `once`, `always` and `clear`."""
        return self._stub.faults

    @property
    def people(self) -> RegistrationAuthority:
        """Who there is: add_person, edit_person, revoke_person, issue_card and so on."""
        return self._stub.registration

    def card(self, name: str = "one-role") -> Path:
        """The folder of a card: 9A.key.pem, 9A.cert.pem and so on; raises DataError."""
        folder = self.data / CARDS / name
        if not folder.is_dir():
            there = ", ".join(sorted(path.name for path in folder.parent.iterdir()))
            raise DataError(f"there is no card {name}; there are: {there}")
        return folder

    @property
    def cis2(self) -> Cis2:
        """CIS2: its applications, sign-ins and log-outs; raises DataError where it is not served."""
        if self._stub.cis2 is None:
            raise DataError(NOT_SERVED)
        return Cis2(self._stub.cis2, self.url)

    def clear(self) -> None:
        """Forget requests, faults and sessions, of the broker and of CIS2: begin as after a fresh start."""
        self._stub.clear()

    def requests(self, endpoint: str | None = None) -> list[Sent]:
        """What was asked so far, oldest first, at one endpoint or at all."""
        return [Sent(exchange, self._stub) for exchange in self._stub.record.exchanges(endpoint)]

    def wait_for(
        self, endpoint: str, *, after: Sent | None = None, timeout: float | timedelta = 5.0, uid: str = ""
    ) -> Sent:
        """The first request at an endpoint, after another one if that is given; raises AssertionError."""
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout

        def fits(exchange: Exchange) -> bool:
            return exchange.endpoint == endpoint and uid in ("", exchange.uid)

        found = self._stub.record.wait_for(fits, after.exchange.number if after else 0, seconds)
        if found is None:
            raise AssertionError(f"no {endpoint} within {seconds:g} s; {self.story()}")
        return Sent(found, self._stub)

    def assert_signed_in(self, uid: str) -> None:
        """Raises AssertionError that explains what became of the sign-in instead."""
        sign_in = next((s for s in self._stub.record.sign_ins() if s.uid == uid), None)
        if sign_in is None:
            raise AssertionError(f"nobody signed in as {uid}; {self.story()}")
        if sign_in.outcome != "signed-in":
            raise AssertionError("\n".join([f"{uid} is not signed in but {sign_in.outcome}", *self._problems(sign_in)]))

    def story(self) -> str:
        """What happened so far, one line for each request."""
        lines = [f"  {sent.exchange.line}" for sent in self.requests()]
        told = ["requests so far:", *lines] if lines else ["there was no request"]
        return "\n".join([*told, self.cis2.story()] if self._stub.cis2 else told).rstrip()

    @property
    def _stub(self) -> Stub:
        if self.app is None:
            raise DataError(_NOT_RUNNING)
        return Stub.of(self.app)

    def _problems(self, sign_in: SignIn) -> list[str]:
        explanation = explain(self._stub.broker, sign_in)
        lines = explanation.problems if explanation else []
        return [f"  {line}" for line in lines or [e.line for e in sign_in.exchanges]]


def _difference(name: str, expected: Expected, received: str | None) -> str:
    if expected is ANYTHING or callable(expected):
        fits = received is not None and (not callable(expected) or expected(received))
    else:
        fits = received == expected
    if fits:
        return ""
    wanted = "nothing" if expected is None else getattr(expected, "__name__", repr(expected))
    got = "nothing" if received is None else repr(received)
    mark = _first_difference(expected, received)
    return f"{name}: expected {wanted}, received {got}{mark}"


def _first_difference(expected: Expected, received: str | None) -> str:
    """Where two longer texts begin to differ."""
    if not isinstance(expected, str) or received is None or max(len(expected), len(received)) < 40:
        return ""
    same = next((i for i, (a, b) in enumerate(zip(expected, received, strict=False)) if a != b), None)
    at = min(len(expected), len(received)) if same is None else same
    return f" (the same up to character {at}; lengths {len(expected)} and {len(received)})"
