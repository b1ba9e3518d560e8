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
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from .app import create_app
from .config import Config, system_clock
from .errors import DataError
from .first_start import fill
from .server import Server, make_tls

_log = logging.getLogger("spine_stub")

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_EXAMPLES = """\
examples:
  python -m spine_stub                               in the usual folder, https://127.0.0.1:8443
  python -m spine_stub --data /tmp/try --port 0      in a folder of its own, on any free port
  python -m spine_stub --allow-sha1 --http           for clients from before 2018
  python -m spine_stub --max-session 2 --idle 1      to see sessions end
  curl --cacert DIR/ca.pem https://127.0.0.1:8443/login/authactivate

The first start fills the folder: a test CA (clients trust DIR/ca.pem), people with roles
(DIR/people.toml) and demonstration cards (DIR/cards/, passcode 123456). Test keys only.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=options.log_level, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, _terminated)
    if options.stop_with_stdin:
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    try:
        _serve(options)
    except DataError as exc:
        print(f"spine_stub: {exc}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def _serve(options: argparse.Namespace) -> None:
    """Serve until a signal raises KeyboardInterrupt or SystemExit."""
    data: Path = options.data.absolute()
    fill(data, system_clock(), secrets.token_bytes)
    tls = None if options.http else _make_tls(data, options.host)
    server = Server(create_app(_config(options)), options.host, options.port, tls)
    try:
        server.prepare()
    except OSError as exc:
        why = "it is in use already" if "already in use" in str(exc) else str(exc)
        raise DataError(
            f"cannot listen on {options.host} port {options.port}: {why}. Choose another --port; 0 takes any free one"
        ) from exc
    try:
        _warn_unless_loopback(options.host)
        print(f"ready {server.url}", flush=True)
        server.serve()
    finally:
        server.stop()


def _config(options: argparse.Namespace) -> Config:
    return Config(
        data=options.data.absolute(),
        allow_sha1=options.allow_sha1,
        challenge_age=timedelta(seconds=options.challenge_age),
        max_session=timedelta(minutes=options.max_session),
        idle=timedelta(minutes=options.idle),
    )


def _make_tls(data: Path, host: str) -> bytes:
    hosts = dict.fromkeys((*LOOPBACK, socket.gethostname(), host))
    try:
        return make_tls(data, hosts, system_clock())
    except (OSError, ValueError) as exc:
        raise DataError(f"cannot make a TLS certificate from {data}: {exc}") from exc


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


def _default_data() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "lanyard"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spine_stub",
        description="A stand-in for the NHS Spine Security Broker, for tests and demonstrations.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        default=_default_data(),
        metavar="DIR",
        help="the folder with the CA, people and cards (default: %(default)s)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=8443, help="0 takes any free one (default: %(default)s)")
    add("--http", action="store_true", help="without TLS, for old clients")
    add("--allow-sha1", action="store_true", help="take signatures with SHA-1, as cards made them once")
    add(
        "--challenge-age",
        type=_positive,
        default=300,
        metavar="SECONDS",
        help="how old a challenge may be (default: %(default)s)",
    )
    add(
        "--max-session",
        type=_positive,
        default=600,
        metavar="MINUTES",
        help="how long a session lasts at most (default: %(default)s)",
    )
    add(
        "--idle",
        type=_positive,
        default=600,
        metavar="MINUTES",
        help="how long a session lasts unused (default: %(default)s)",
    )
    add(
        "--log-level",
        default="INFO",
        type=str.upper,
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="(default: %(default)s)",
    )
    add("--stop-with-stdin", action="store_true", help="end when standard input ends")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
