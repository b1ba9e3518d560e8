"""python3 -m bridge serve: pages of configured origins get the ticket over HTTP on this PC."""

from __future__ import annotations

import argparse
import json

from .errors import SettingsError, libraries
from .settings import SYSTEM_FILE, Settings, load, user_file

POLICY = "/etc/chromium/policies/managed/lanyard.json"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the bridge's parser."""
    parser = commands.add_parser(
        "serve",
        help="answer pages over HTTP on this PC",
        description="Answers pages of the configured origins over HTTP on this PC, for browsers without the extension.",
    )
    parser.add_argument("--port", type=int, help="instead of the configured one; 0 takes any free one")
    parser.add_argument(
        "--policy",
        action="store_true",
        help=f"print Chromium's policy by which these pages may reach this PC unasked; it belongs in {POLICY}",
    )
    parser.set_defaults(do=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes; raises BridgeError."""
    settings = load()
    if not settings.origins:
        places = f"{SYSTEM_FILE} or {user_file()}"
        raise SettingsError(f"No page may ask yet, so there is nothing to serve. Name pages as origins in {places}.")
    if options.policy:
        print(policy(settings))
        return 0
    with libraries():
        from .service import serve  # aiohttp is an extra, which the bridge's other commands do without
    port = settings.port if options.port is None else options.port
    return serve(settings, port, lambda url: print(f"ready {url}", flush=True))


def policy(settings: Settings) -> str:
    """Return Chromium's policies, old and new name, by which configured pages reach this PC without asking."""
    origins = sorted(settings.origins)
    names = ("LoopbackNetworkAllowedForUrls", "LocalNetworkAccessAllowedForUrls")
    return json.dumps(dict.fromkeys(names, origins), indent=2)
