"""The broker as a Flask application: every route in one place, one handler for what goes wrong."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from flask import Flask

from . import console
from .config import Clock, Config, RandomBytes, steady_clock, system_clock
from .errors import DataError
from .faults import Faults, kinds
from .folder import CHALLENGE_SECRET, ISSUING, REVOCATION_LIST, ROOT, SESSIONS, check_folder
from .login.broker import Broker
from .login.challenge import Challenges
from .login.trust import Trust
from .people.open import open_directory
from .pki.registration import RegistrationAuthority
from .sessions import Limits, Store
from .sessions.endings import Endings
from .sessions.sqlite import SqliteStore
from .stub import EXTENSION, Stub
from .web import endpoints, views
from .web.endpoints import Route

HEALTH = "/healthz"
"""For programs that watch over this one: it stays where it is, whatever other paths begin with."""
ROUTES: tuple[Route, ...] = (
    ("/login/authactivate", ("GET", "POST"), views.activate),
    ("/login/authvalidate", ("GET", "POST"), views.validate),
    ("/login/authlogout", ("GET", "POST"), views.log_out),
    ("/login/ssoupdate", ("POST",), views.keep_alive),
    ("/login/dtd", ("GET",), views.dtd),
    ("/login/error", ("GET",), views.error_page),
    ("/saml/RoleSelectionGP.jsp", ("GET",), views.select_role),
    ("/saml/RoleAssertion", ("GET", "POST"), views.assert_role),
    ("/ca/issuing.crl", ("GET",), views.revocation_list),
    ("/ca/issuing.pem", ("GET",), views.issuing_certificate),
    ("/ca/root.pem", ("GET",), views.root_certificate),
    (HEALTH, ("GET",), views.healthz),
)


def create_app(
    config: Config, *, clock: Clock | None = None, random: RandomBytes = secrets.token_bytes, store: Store | None = None
) -> Flask:
    """The WSGI application for a DIR that is already filled; raises DataError when it is not.

    `clock` takes the place of both clocks, of the time of day and of the one for sessions and challenges.
    """
    steady = clock or steady_clock()
    store = store or open_store(config, steady)
    broker = make_broker(config, clock or system_clock, random, store, steady)
    directory = broker.directory if config.directory else None
    app = Flask("spine_stub", static_folder=None)
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = stub = Stub(
        broker=broker,
        faults=Faults(kinds.KINDS, [rule.rpartition("/")[2] for rule, _, _ in ROUTES]),
        registration=RegistrationAuthority(config.data, directory, broker.clock, random),
    )
    endpoints.install(app, stub, _under(config.path_prefix, (*ROUTES, *openid_routes(broker))))
    console.install(app, stub)
    return app


def _under(prefix: str, routes: Iterable[Route]) -> Iterator[Route]:
    """The routes, each path with the prefix before it."""
    return ((path if path == HEALTH else prefix + path, methods, view) for path, methods, view in routes)


def openid_routes(broker: Broker) -> tuple[Route, ...]:
    """The endpoints of OpenID Connect, where DIR has clients; raises DataError."""
    if not (broker.config.data / "clients.toml").exists():
        return ()
    try:
        # Imported only here: its library is an extra that most people do not need.
        from .openid.provider import Provider
    except ModuleNotFoundError as exc:
        raise DataError(f"DIR has a clients.toml, and Python's module {exc.name} is missing") from exc
    return Provider(broker).routes()


def make_broker(config: Config, clock: Clock, random: RandomBytes, store: Store, steady: Clock | None = None) -> Broker:
    """Put the broker together from what lies in DIR; raises DataError."""
    data = config.data
    try:
        check_folder(data)
        secret = (data / CHALLENGE_SECRET).read_bytes()
        trust = Trust([data / ROOT, data / ISSUING], data / REVOCATION_LIST, config.trust)
    except (OSError, ValueError) as exc:
        raise DataError(f"{data} is not complete: {exc}") from exc
    return Broker(
        config=config,
        challenges=Challenges(secret, config.challenge_age, steady or clock, random),
        trust=trust,
        directory=open_directory(config),
        store=store,
        endings=Endings(store, steady or clock),
        clock=clock,
        random=random,
    )


def open_store(config: Config, clock: Clock) -> Store:
    """Open the store that `config.store` names; raises DataError."""
    limits = Limits(config.max_session, config.idle)
    if config.store == "memory":
        return SqliteStore.in_memory(limits, clock)
    if config.store == "sqlite":
        return SqliteStore.in_file(config.data / SESSIONS, limits, clock)
    if config.store.startswith(("redis://", "rediss://", "unix://")):
        # Imported only here: the client library is an extra that most people do not need.
        from .sessions.redis import RedisStore

        return RedisStore.connect(config.store, limits)
    raise DataError(f"--store {config.store} is not sqlite, memory, or a redis:// address")
