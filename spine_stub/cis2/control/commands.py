"""The commands of the control API in one table, and the page that tells each as a command of curl.

The console's guard decides who may use them: this machine's user who started the broker, or who has the control token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response

from ...folder import ROOT
from ...web import replies
from ...web.request import current
from ..provider import Provider
from . import views

PATH = "/stub/api/cis2"
View = Callable[[Provider], Response]

_TELLS = """\
The control API of the stand-in for CIS2. What is wrong is 400 with {"error": "one sentence"}.
Elsewhere than on this machine add  -H "Authorization: Bearer TOKEN"  (the broker's --control-token FILE).
"""


@dataclass(frozen=True)
class Command:
    """One address and method, with an example of its body or query."""

    method: str
    path: str
    view: View
    does: str
    example: str = ""


def help_page(provider: Provider) -> Response:
    """Tell all commands."""
    base = current().host_url.rstrip("/")
    trust = f"--cacert {provider.broker.config.data / ROOT} " if base.startswith("https:") else ""
    return replies.plain(_TELLS + "".join(f"\n{each.does}\n    {_curl(each, base, trust)}\n" for each in COMMANDS))


def _report(provider: Provider) -> Response:
    from ..conformance import pages  # imported only when it is asked for, because every start would wait for it

    return pages.report(provider)


def _keep_probes(provider: Provider) -> Response:
    from ..conformance import pages

    return pages.keep_probes(provider)


COMMANDS = (
    Command("GET", "/", help_page, "these commands, as text"),
    Command(
        "POST",
        "/sign-in",
        views.sign_in,
        "sign `uid` in at the next request to sign in, without asking; if wanted with a `role` (id or code), "
        "`mechanism` or `aal`, for one `client`, or `standing`: at every request",
        '{"uid": "555000000001", "role": "S8000:G8000:R8001", "aal": 3}',
    ),
    Command("POST", "/sign-in/clear", views.clear_sign_in, "take that back, of one `client` or all", "{}"),
    Command(
        "POST",
        "/card-out",
        views.card_out,
        "pull the card: end the sessions of `uid`, the one of `sid`, or all, and tell the applications",
        '{"uid": "555000000001"}',
    ),
    Command("GET", "/clock", views.clock, "what time it is for CIS2"),
    Command("POST", "/clock", views.clock, "let it be `now`, and then `forward` seconds later", '{"forward": 600}'),
    Command("POST", "/reset", views.reset, "begin again: sessions, faults, clock, requests, registrations", "{}"),
    Command("GET", "/clients", views.clients, "the applications that are registered"),
    Command(
        "POST",
        "/clients",
        views.register,
        "register one until the broker ends; the fields are those of clients.toml, `key` and `jwks` being texts",
        '{"id": "mine", "redirect_uris": ["http://127.0.0.1/callback"]}',
    ),
    Command("GET", "/sessions", views.sessions, "who is signed in, and to which applications"),
    Command(
        "GET",
        "/logouts",
        views.logouts,
        "the logout tokens that were sent, to one `client` or all, and what was answered",
        "?client=mine",
    ),
    Command(
        "GET", "/steps", views.steps, "what applications asked, of one `client` or `sign_in` or all", "?client=mine"
    ),
    Command(
        "GET",
        "/report",
        _report,
        "what the application of `client` does wrong, as JSON, or with `format=junit` for a CI",
        "?client=mine&format=junit",
    ),
    Command(
        "POST",
        "/probes",
        _keep_probes,
        "what `python3 -m spine_stub probe` has seen of an application, for its report",
        '{"client": "mine", "evidence": {}}',
    ),
)


def _curl(command: Command, base: str, trust: str) -> str:
    if command.method == "GET":
        return f"curl {trust}'{base}{PATH}{command.path}{command.example}'"
    return f"curl {trust}-H 'Content-Type: application/json' -d '{command.example}' {base}{PATH}{command.path}"
