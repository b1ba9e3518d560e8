"""The bridge as a program: python3 -m bridge COMMAND, or lanyard-bridge COMMAND."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from . import __version__
from .errors import BridgeError

# Each has `add_to(subcommands)`, which sets `do`: called with the options, it returns an exit code or None.
COMMANDS = ("doctor.cli", "native_host.cli", "serve", "authorize.cli")
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
    try:
        return int(options.do(options) or 0)
    except BridgeError as error:
        print(f"bridge: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bridge", description="Carries the agent's ticket to browsers and to other programs."
    )
    parser.add_argument("--version", action="version", version=f"Lanyard {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        import_module(f".{module}", __package__).add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
