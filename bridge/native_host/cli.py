"""The command `native-host`: what browsers start, and its installation."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ..errors import BridgeError

_EXAMPLES = """\
examples:
  python3 -m bridge native-host --install --user      for yourself; every browser is told
  sudo lanyard-bridge native-host --install           for all users of this PC
  sudo lanyard-bridge native-host --uninstall         takes away what --install wrote

Which pages may ask is in /etc/lanyard/bridge.toml. Where the ticket does not come: python3 -m bridge doctor
"""


class StartedByHand(BridgeError):
    """A person started what browsers start."""

    exit_code = 2


def add_to(commands: Any) -> None:
    """Add the command to an argparse parser's subcommands."""
    parser = commands.add_parser(
        "native-host",
        help="what a browser starts for the extension; --install tells the browsers",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--install", action="store_true", help="tell Chromium, Chrome, Edge and Firefox of it")
    what.add_argument("--uninstall", action="store_true", help="take away what --install wrote")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for you alone (the default, unless you are root)")
    where.add_argument("--system", action="store_true", help="for all users of this PC")
    parser.add_argument("--destdir", type=Path, default=Path("/"), metavar="DIR", help="put DIR before every path")
    parser.add_argument("caller", nargs="*", help="what the browser says of the extension that asks")
    parser.set_defaults(do=_do)


def _do(options: argparse.Namespace) -> None:
    if options.install or options.uninstall:
        _change(options)
    else:
        _serve(options.caller)


def _serve(caller: list[str]) -> None:
    from ..agent_socket import AgentSocket, leave_no_core_dump
    from ..settings import load
    from .host import NativeHost, owner

    if sys.stdin.isatty():
        raise StartedByHand("Browsers start this, not people. --install tells the browsers of it.")
    leave_no_core_dump()
    with (
        open(sys.stdin.fileno(), "rb", closefd=False) as source,
        open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as sink,
        AgentSocket() as agent,
    ):
        NativeHost(owner(caller), load, agent, source).serve(source, sink)


def _change(options: argparse.Namespace) -> None:
    from ..settings import SYSTEM_FILE, load, user_file
    from .browsers import Place, caged
    from .installing import install, uninstall

    is_user = options.user or not (options.system or os.getuid() == 0)
    place = Place(is_user, os.environ, options.destdir.absolute())
    if options.uninstall:
        taken = uninstall(place)
        print("\n".join(f"removed {path}" for path in taken) or "Nothing is installed there.")
        return
    settings = load()
    for path in install(place, settings.extension_ids):
        print(f"wrote {path}")
    if not settings.origins:
        places = f"{SYSTEM_FILE} or {user_file()}" if is_user else SYSTEM_FILE
        print(f"No page may ask yet. Name pages as origins in {places}.")
    for browser, cage in caged():
        print(
            f"{browser.name} is here as a {cage}, which cannot start programs: install it from a .deb or .rpm instead."
        )
