"""The broker as a program: python -m spine_stub [--data DIR] [--port 8443] ..."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

from flask import Flask

from .app import create_app
from .cis2 import REALM
from .cli import commands
from .cli.options import make_config, make_parser
from .clinic.service import Application
from .config import LOOPBACK, system_clock
from .errors import DataError
from .pki.first_start import fill
from .stub import Stub
from .web import log
from .web.endpoints import CONTROLS
from .web.server import THREADS, Server
from .web.tls import Greeting

_log = logging.getLogger("spine_stub")

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    parser = make_parser()
    commands.add_to(parser)
    options = parser.parse_args(arguments)
    log.set_up(options.log_level, log.LogForm(options.log))
    try:
        if options.command:
            commands.run(options)
        else:
            signal.signal(signal.SIGTERM, _terminated)
            if options.stop_with_stdin:
                threading.Thread(target=_stop_with_stdin, daemon=True).start()
            _serve(options)
    except DataError as exc:
        print(f"spine_stub: {exc}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def _serve(options: argparse.Namespace) -> None:
    """Serve until a signal comes; raises KeyboardInterrupt after SIGINT."""
    data: Path = options.data.absolute()
    fill(data, system_clock(), secrets.token_bytes)
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
        stub.broker.release()
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
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        _log.warning(
            "listening on %s: everybody on the network can reach this broker, its people and "
            "its test keys. It belongs on 127.0.0.1, or on a network of tests only",
            host,
        )


def _stop_with_stdin() -> None:
    """End the program when standard input ends: whoever started it cannot leave it behind."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
