"""The kiosk as a program: python3 -m kiosk COMMAND, or lanyard-kiosk COMMAND."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib import import_module

from . import __version__
from .errors import KioskError

# Each has `add_to(subcommands)`, which sets `do`: called with the options, it returns an exit code or None.
COMMANDS = ("hooks.cli", "audit.cli", "chromium.cli")
EXIT_UNREAD = 1
EXIT_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments say. Returns the exit code; an expected failure is one sentence on stderr."""
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has gone; Python would write the rest as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD


def _run(arguments: list[str] | None) -> int:
    options = make_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # how systemd ends a service: everything is cleaned up
    try:
        return int(options.do(options) or 0)
    except KioskError as error:
        print(f"kiosk: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    parser = argparse.ArgumentParser(
        prog="python3 -m kiosk",
        description="Makes a shared PC of a PC on which Lanyard's agent runs.",
        epilog="What is wrong with this PC, and what to do about it, the agent's own command says: lanyard doctor.",
    )
    parser.add_argument("--version", action="version", version=f"Lanyard {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        import_module(f".{module}", __package__).add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
