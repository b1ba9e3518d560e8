"""Everything that one stand-in for CIS2 knows; what it answers is in `endpoints` and above."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..config import Clock
from ..errors import DataError, Unavailable
from ..folder import CLIENTS, ROOT
from ..people.directory import Person
from . import REALM
from .clients.addresses import Addresses
from .clients.registry import Registry
from .identity.mock_people import WithMockPeople
from .identity.sessions import COOKIE, Session, Sessions
from .journal import Journal
from .logout.ends import Ends
from .logout.outbox import Outbox
from .pending import ArrangedSignIns, PendingRequests
from .tokens.codes import Codes

if TYPE_CHECKING:
    from ..stub import Stub
    from ..web.request import BrokerRequest
    from .conformance.report import Probed
    from .endpoints.server import Server
    from .tokens.keys import Keys


class SettableClock:
    """The broker's clock, which tests can set and move."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()
        self.on_change: list[Callable[[], None]] = []

    def __call__(self) -> datetime:
        return self._clock() + self._ahead

    def set(self, now: datetime) -> None:
        """Let it be this time now, and go on from there."""
        self._move(now - self._clock())

    def forward(self, by: timedelta) -> None:
        """Let this much time have passed."""
        self._move(self._ahead + by)

    def reset(self) -> None:
        self._move(timedelta())

    def _move(self, ahead: timedelta) -> None:
        self._ahead = ahead
        for tell in self.on_change:
            tell()


class Provider:
    """One CIS2. `stub.cis2` is it, where it is served."""

    def __init__(self, stub: Stub, clients: Registry) -> None:
        self.stub, self.broker, self.clients = stub, stub.broker, clients
        config = self.broker.config
        self.people = WithMockPeople(self.broker.directory)
        self.clock = SettableClock(self.broker.clock)
        self.journal = Journal(self.clock)
        self.addresses = Addresses(config.allowed_hosts, config.data / ROOT)
        self.sessions = Sessions(self.clock, config.max_session)
        self.codes = Codes(self.clock)
        self.pending = PendingRequests()
        self.arranged = ArrangedSignIns()
        self.probed: dict[str, Probed] = {}
        """What active probes saw last of each client."""
        self.outbox = Outbox(self)
        self.ends = Ends(self)
        self.clock.on_change.append(self.ends.expire)
        self.sessions.on_open.append(self.ends.watch)
        self.sessions.on_end += [self._ended, self.outbox.send]
        self._making = threading.Lock()
        self._keys: Keys | None = None
        self._server: Server | None = None

    @classmethod
    def of_stub(cls, stub: Stub) -> Provider:
        """Make the provider of a broker; raises DataError when its clients.toml cannot be used."""
        config = stub.broker.config
        return cls(stub, Registry.of_file(config.data / CLIENTS, config.any_client))

    @property
    def keys(self) -> Keys:
        """The keys that sign tokens, made when they are first needed; raises Unavailable."""
        with self._making:
            if self._keys is None:
                from .tokens.keys import Keys  # jwcrypto takes a while to import

                try:
                    self._keys = Keys(self.broker.config.data)
                except DataError as exc:
                    raise Unavailable("cis2-key-unavailable", str(exc)) from exc
            return self._keys

    @property
    def server(self) -> Server:
        """The OAuth 2.0 server, made when it is first needed."""
        with self._making:
            if self._server is None:
                from .endpoints.server import Server  # Authlib takes a while to import

                self._server = Server(self)
            return self._server

    def issuer(self, asked: BrokerRequest) -> str:
        """The issuer, as text: that of --cis2-issuer, or where the client reached us."""
        return self.broker.config.cis2_issuer or self.address(asked)

    def address(self, asked: BrokerRequest, path: str = "") -> str:
        """Where the client reached us, for the addresses that the discovery document names."""
        return f"{asked.base}{REALM}{path}"

    def person(self, uid: str) -> Person | None:
        """The person of this uid, with the roles that are open today; None when nobody signs in under it."""
        person = self.people.person(uid)
        return person.on(self.clock().date()) if person and person.active else None

    def traits(self, asked: BrokerRequest) -> tuple[str, ...]:
        """The client_id and uid of a request, as far as they can be known before it is answered: for faults."""
        bearer = asked.headers.get("Authorization", "").partition(" ")[2]
        sent = asked.values
        grant = self.codes.of_token(bearer) or self.codes.of_code(sent.get("code", ""))
        session = grant.session if grant else self.sessions.of_cookie(asked.cookies.get(COOKIE))
        pending = self.pending.get(sent.get("key", ""))
        request = grant or (pending.request if pending else None)
        client_id = request.client_id if request else sent.get("client_id", "")
        return client_id, sent.get("login_hint", ""), session.uid if session else ""

    def _ended(self, session: Session, _: str) -> None:
        self.codes.end_session(session.sid)
        self.ends.forget(session.sid)

    def release(self) -> None:
        """Let go of threads, when the provider is not needed any more."""
        self.ends.release()
        self.outbox.release()

    def reset(self) -> None:
        """Begin again as after a fresh start; nobody is told that sessions ended."""
        for part in (
            self.codes,
            self.pending,
            self.sessions,
            self.ends,
            self.outbox,
            self.journal,
            self.arranged,
            self.probed,
        ):
            part.clear()
        self.clients.reset()
        self.clock.reset()
        for made in (self._keys, self._server):
            if made:
                made.reset()
