"""The broker as a program: python3 -m spine_stub [--data DIR] [--port 8443] ..."""

from __future__ import annotations

import argparse
import gc
import os
import secrets
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import NoReturn

from .cli import commands
from .cli.options import make_parser
from .config import system_clock
from .errors import DataError
from .pki.first_start import fill
from .web import log

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
            return commands.run(options)
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
    """Fill DIR, then serve until a signal comes; raises DataError, and KeyboardInterrupt after SIGINT."""
    # A first start takes its time for RSA keys, a second one for imports; here the two go on side by side. What is
    # imported stays: to look for garbage in it takes a seventh of that time, and would again as long as we serve.
    gc.disable()
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(import_module, "spine_stub.cli.serving")
            fill(options.data.absolute(), system_clock(), secrets.token_bytes)
    finally:
        gc.freeze()
        gc.enable()
    from .cli.serving import serve

    serve(options)


def _stop_with_stdin() -> None:
    """End the program when standard input ends: whoever started it cannot leave it behind."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
