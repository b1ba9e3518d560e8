"""The broker as a Flask application: every route in one place, one handler for what goes wrong."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from importlib.util import find_spec

from flask import Flask

from . import console
from .cis2 import NOT_SERVED
from .cis2 import faults as cis2_faults
from .cis2.logout.outbox import ENDPOINT as LOGOUT_TOKENS
from .cis2.provider import Provider as Cis2
from .cis2.routes import ADDRESSES
from .cis2.routes import routes as cis2_routes
from .config import Clock, Config, RandomBytes, steady_clock, system_clock
from .errors import DataError
from .faults import Faults, kinds
from .folder import CHALLENGE_SECRET, ISSUING, REVOCATION_LIST, ROOT, ROOT_REVOCATION_LIST, SESSIONS, check_folder
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

_log = logging.getLogger("spine_stub")

LIBRARIES = ("authlib", "jwcrypto")
"""What OpenID Connect needs."""

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
    ("/ca/root.crl", ("GET",), views.root_revocation_list),
    ("/ca/issuing.pem", ("GET",), views.issuing_certificate),
    ("/ca/root.pem", ("GET",), views.root_certificate),
    (HEALTH, ("GET",), views.healthz),
)
ENDPOINTS = [path.rpartition("/")[2] for path in (*(path for path, _, _ in ROUTES), *ADDRESSES)]
"""The last part of each path: what faults call it."""


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
        faults=Faults(kinds.KINDS, ENDPOINTS),
        registration=RegistrationAuthority(config.data, directory, broker.clock, random),
    )
    endpoints.install(app, stub, _under(config.path_prefix, (*ROUTES, *openid_routes(stub))))
    console.install(app, stub)
    return app


def _under(prefix: str, routes: Iterable[Route]) -> Iterator[Route]:
    """The routes, each path with the prefix before it."""
    return ((path if path == HEALTH else prefix + path, methods, view) for path, methods, view in routes)


def openid_routes(stub: Stub) -> tuple[Route, ...]:
    """The endpoints of OpenID Connect, of CIS2 and of the door for native programs; raises DataError.

    None where one of the libraries is missing, so that the broker needs neither.
    """
    if any(find_spec(module) is None for module in LIBRARIES):
        _log.warning(NOT_SERVED)
        return ()
    stub.cis2 = provider = Cis2.of_stub(stub)
    stub.faults.offer(cis2_faults.kinds(provider), [LOGOUT_TOKENS])
    if not any(client.key for client in provider.clients.all()):
        return cis2_routes(provider)
    from .openid.provider import Provider  # imported only where a client has a key for it

    return (*cis2_routes(provider), *Provider(stub.broker, provider.clients).routes())


def make_broker(config: Config, clock: Clock, random: RandomBytes, store: Store, steady: Clock | None = None) -> Broker:
    """Put the broker together from what lies in DIR; raises DataError."""
    data = config.data
    try:
        check_folder(data)
        secret = (data / CHALLENGE_SECRET).read_bytes()
        lists = (data / REVOCATION_LIST, data / ROOT_REVOCATION_LIST)
        trust = Trust([data / ROOT, data / ISSUING], *lists, config.trust)
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
