"""The broker as a Flask application: every route in one place, one handler for what goes wrong."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask, Response
from OpenSSL import crypto
from werkzeug.exceptions import HTTPException

from . import layout, replies, request_log, views
from .broker import Broker
from .challenge import Challenges, Keys
from .config import Clock, Config, RandomBytes, system_clock
from .errors import BrokerError, DataError
from .people import People
from .sessions import MemoryStore, Store
from .trust import Trust

_log = logging.getLogger("spine_stub")

View = Callable[[Broker], Response]

ROUTES: tuple[tuple[str, tuple[str, ...], View], ...] = (
    ("/login/authactivate", ("GET", "POST"), views.activate),
    ("/login/authvalidate", ("GET", "POST"), views.validate),
    ("/login/authlogout", ("GET", "POST"), views.log_out),
    ("/login/ssoupdate", ("POST",), views.keep_alive),
    ("/login/dtd", ("GET",), views.dtd),
    ("/login/error", ("GET",), views.error_page),
    ("/saml/RoleSelectionGP.jsp", ("GET",), views.select_role),
    ("/saml/RoleAssertion", ("GET",), views.assert_role),
    ("/healthz", ("GET",), views.healthz),
)


def create_app(
    config: Config,
    *,
    clock: Clock = system_clock,
    random: RandomBytes = secrets.token_bytes,
    store: Store | None = None,
) -> Flask:
    """The WSGI application for a DIR that is already filled; raises DataError when it is not."""
    store = store or MemoryStore(clock, config.max_session, config.idle)
    broker = make_broker(config, clock, random, store)
    app = Flask("spine_stub", static_folder=None)
    request_log.install(app)
    replies.install(app)
    for rule, methods, view in ROUTES:
        app.add_url_rule(rule, view.__name__, partial(view, broker), methods=list(methods))
    app.register_error_handler(BrokerError, replies.refusal)
    app.register_error_handler(HTTPException, replies.http_error)
    app.register_error_handler(Exception, _our_fault)
    return app


def make_broker(config: Config, clock: Clock, random: RandomBytes, store: Store) -> Broker:
    """Put the broker together from what lies in DIR; raises DataError."""
    data = config.data
    try:
        keys = Keys((data / layout.CHALLENGE_SECRET).read_bytes(), _load_challenge_key(data))
        trust = Trust.load([data / layout.ROOT, data / layout.ISSUING], data / layout.REVOCATION_LIST)
    except (OSError, ValueError, crypto.Error) as exc:
        raise DataError(f"{data} is not complete: {exc}") from exc
    return Broker(
        config=config,
        challenges=Challenges(keys, config.challenge_age, clock, random),
        trust=trust,
        directory=People.load(data / layout.PEOPLE),
        store=store,
        clock=clock,
        random=random,
    )


def _load_challenge_key(data: Path) -> ec.EllipticCurvePrivateKey:
    path = data / layout.CHALLENGE_KEY
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not an EC key")
    return key


def _our_fault(exc: Exception) -> Response:
    _log.error("unexpected %s", type(exc).__name__, exc_info=exc)
    return replies.plain("Internal error", 500)
