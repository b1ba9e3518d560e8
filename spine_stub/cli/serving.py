"""The broker as it serves, from its application to the signal that ends it."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from flask import Flask

from ..app import create_app
from ..cis2 import REALM
from ..config import LOOPBACK, is_loopback
from ..stub import Stub
from ..web.endpoints import CONTROLS
from ..web.server import THREADS, Server
from ..web.tls import Greeting
from .options import make_config

if TYPE_CHECKING:
    from ..clinic.service import Application

_log = logging.getLogger("spine_stub")


def serve(options: argparse.Namespace) -> None:
    """Serve until a signal comes; raises KeyboardInterrupt after SIGINT."""
    app = create_app(make_config(options))
    stub = Stub.of(app)
    try:
        server = _listen(app, stub, options)
        received = _stop_on_signals(server)
        with _application(server, options) as application:
            print(f"ready {server.url}{options.path_prefix}", flush=True)
            if application:
                print(f"application {application.url}", flush=True)
            server.serve()
    finally:
        stub.release()
    if signal.SIGINT in received:
        raise KeyboardInterrupt


def _listen(app: Flask, stub: Stub, options: argparse.Namespace) -> Server:
    names = dict.fromkeys((*LOOPBACK, socket.gethostname(), options.host))
    greeting = None if options.http else Greeting(stub, names)
    threads = THREADS if stub.broker.config.asks_others else 1
    aside = (CONTROLS, stub.broker.config.path_prefix + REALM)
    server = Server(app, options.host, options.port, greeting, threads=threads, aside=aside)
    server.prepare()
    _warn_unless_loopback(options.host)
    return server


def _application(server: Server, options: argparse.Namespace) -> AbstractContextManager[Application | None]:
    """The clinical application that runs beside the broker, where one is wanted."""
    if options.app_port is None:
        return nullcontext()
    # Imported only here: most starts have no application beside the broker.
    from ..clinic.service import Application

    return Application(
        server.url + options.path_prefix,
        options.data.absolute(),
        host=options.host,
        port=options.app_port,
        tls=not options.http,
        names=dict.fromkeys((*LOOPBACK, options.host)),
        bridge_port=options.bridge_port,
    )


def _stop_on_signals(server: Server) -> set[int]:
    """Let signals stop the server; returns those that came. An exception would end the event loop anywhere."""
    received: set[int] = set()

    def stop(number: int, _: object) -> None:
        received.add(number)
        server.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return received


def _warn_unless_loopback(host: str) -> None:
    if not is_loopback(host):
        _log.warning(
            "listening on %s: everybody on the network can reach this broker, its people and "
            "its test keys. It belongs on 127.0.0.1, or on a network of tests only",
            host,
        )
