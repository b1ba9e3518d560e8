"""python3 -m bridge authorize: what the desktop starts when a program opens a link of ours."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ..agent_socket import AgentSocket, leave_no_core_dump, socket_path
from ..errors import AgentError, BridgeError, SettingsError, TicketCode, libraries
from ..registrations import is_loopback
from ..settings import Settings, load
from .desktop import install, uninstall
from .redirect import deliver
from .request import SCHEME, Link, Question, Refusal, read_link, read_question

_ASK_SECONDS = 120
_NOTIFY_SECONDS = 5
_REFUSED = (TicketCode.USER_ABORT, TicketCode.TICKET_NOT_AVAILABLE)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the bridge's parser."""
    parser = commands.add_parser(
        "authorize",
        help="tell a registered program who is signed in",
        description="Opens a link by which a registered program asks who is signed in. The person is asked first.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("url", nargs="?", metavar="LINK", help="nhsidentityagent://connect/authorize?...")
    what.add_argument("--install", action="store_true", help="have the desktop open such links here, for this user")
    what.add_argument("--uninstall", action="store_true", help="take that back")
    what.add_argument(
        "--redeem",
        action="store_true",
        help="check a code that was signed here: JSON on standard input with code, client_id, redirect_uri and "
        "code_verifier; prints whose it is",
    )
    parser.set_defaults(do=run)


def run(options: argparse.Namespace) -> int:
    """Do what is asked; raises BridgeError."""
    if options.install:
        print(f"wrote {install(Path(__file__).resolve().parents[2])}")
    elif options.uninstall:
        path = uninstall()
        print(f"removed {path}" if path else "there is nothing to remove")
    elif options.redeem:
        leave_no_core_dump()
        print(json.dumps(_redeem(sys.stdin.read())))
    else:
        _open(options.url)
    return 0


def _open(url: str) -> None:
    """Answer a link of the desktop; an error is shown too."""
    leave_no_core_dump()
    try:
        authorize(url, load())
    except BridgeError as error:
        _tell(error)
        raise


def authorize(url: str, settings: Settings) -> None:
    """Answer a link: a code or an error goes to its redirect. Raises BridgeError, after that where it can."""
    if not settings.clients:
        raise SettingsError("No program is registered on this PC: see clients in /etc/lanyard/bridge.toml.")
    link = read_link(url, settings.clients)
    state = {"state": link.state} if link.state else {}
    try:
        code = _code(link, read_question(link), settings)
    except BridgeError as error:
        deliver(link.redirect_uri, {"error": _name(error), **state})
        raise
    deliver(link.redirect_uri, {"code": code, **state})


def _code(link: Link, question: Question, settings: Settings) -> str:
    """Ask the person, then the broker; or where the program cannot reach its server, sign a code here."""
    with libraries():  # jwcrypto: other commands do without
        from .broker import OpenIdBroker
        from .offline import sign_code
    origin = f"{SCHEME}://{link.client.id}"
    with AgentSocket() as agent:
        agent.get_ticket(origin, _ASK_SECONDS)
        asked = {"question": f"{link.client.name} wants to know who you are. {_where(link)} May it?", "origin": origin}
        if agent.call("Confirm", asked, _ASK_SECONDS + 10).get("granted") is not True:
            raise Refusal("access_denied", f"{link.client.name} was not told who you are.")
        ticket = agent.get_ticket_no_auth(origin)
    if question.hint:
        return sign_code(link, question, ticket)
    broker = OpenIdBroker(settings)
    code = broker.code(link, question, ticket)
    with suppress(Refusal):  # without them only what is offline does not work
        broker.keep_keys()
    return code


def _where(link: Link) -> str:
    """Say to the person where the answer goes."""
    parts = urlsplit(link.redirect_uri)
    if is_loopback(parts):
        return f"The answer goes to port {parts.port or 80} of this PC."
    return f"The answer goes to {parts.scheme}://{parts.netloc}."


def _tell(error: BridgeError) -> None:
    """Show an error to a person who clicked on a link, and so has no terminal to read it in."""
    if not sys.stderr.isatty() and shutil.which("notify-send"):
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["notify-send", "--", "Lanyard", str(error)], check=False, timeout=_NOTIFY_SECONDS)


def _redeem(text: str) -> object:
    with libraries():
        from .offline import CodeRefused, redeem
    try:
        asked = json.loads(text)
        code, client, uri, verifier = (asked[name] for name in ("code", "client_id", "redirect_uri", "code_verifier"))
        if not all(isinstance(each, str) for each in (code, client, uri, verifier)):
            raise TypeError
    except (ValueError, TypeError, LookupError, RecursionError):
        raise SettingsError("Standard input has no code, client_id, redirect_uri and code_verifier as JSON.") from None
    with AgentSocket() as agent:
        try:
            ticket = agent.get_ticket_no_auth(None)
        except AgentError:
            raise CodeRefused from None
    return redeem(code, client, uri, verifier, ticket, socket_path().parent / "used-codes")


def _name(error: BridgeError) -> str:
    """What an error is called in the answer to a program."""
    if isinstance(error, Refusal):
        return error.name
    return "access_denied" if isinstance(error, AgentError) and error.code in _REFUSED else "internal_server_error"
