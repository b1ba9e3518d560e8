"""Every path of CIS2 in one place, and what surrounds each of its requests."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from flask import Response

from ..web.endpoints import Route
from . import REALM

if TYPE_CHECKING:
    from ..login.broker import Broker
    from ..web.request import BrokerRequest
    from .provider import Provider

View = Callable[["Provider", "BrokerRequest"], Response]

PATHS = (
    (f"{REALM}/.well-known/openid-configuration", ("GET",), "endpoints.discovery", "configuration"),
    (f"{REALM}/authorize", ("GET", "POST"), "endpoints.authorize", "authorize"),
    (f"{REALM}/access_token", ("POST",), "endpoints.token", "access_token"),
    (f"{REALM}/userinfo", ("GET", "POST"), "endpoints.userinfo", "userinfo"),
    (f"{REALM}/connect/jwk_uri", ("GET",), "endpoints.discovery", "jwk_uri"),
    (f"{REALM}/connect/endSession", ("GET", "POST"), "endpoints.end_session", "end_session"),
)
"""A path, its methods, and the module of this package and the function in it that answer."""

PAGES = (
    (f"{REALM}/sign-in", ("GET", "POST"), "sign_in.pages", "sign_in_page"),
    (f"{REALM}/role", ("GET", "POST"), "sign_in.pages", "role_page"),
    *(
        (f"{REALM}/static/{name}", ("GET",), "sign_in.looks", "static")
        for name in ("pages.css", "sign_in.css", "ticket.js", "sign_in.js")
    ),
)
"""What browsers are shown on the way."""

ADDRESSES = tuple(path for path, _, _, _ in PATHS)


def routes(provider: Provider) -> tuple[Route, ...]:
    """The endpoints, as the application takes them. Each is imported when it is first asked, with its libraries."""
    return tuple((path, methods, _view(provider, path, *where)) for path, methods, *where in (*PATHS, *PAGES))


def _view(provider: Provider, path: str, module: str, name: str) -> Callable[[Broker, BrokerRequest], Response]:
    def answer(_: Broker, asked: BrokerRequest) -> Response:
        asked.holds_secrets = True
        view: View = getattr(import_module(f".{module}", __package__), name)
        return view(provider, asked)

    answer.__name__ = path.replace(".", "_")
    return answer
