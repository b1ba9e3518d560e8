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
    ("/.well-known/openid-configuration", ("GET",), "discovery", "configuration"),
    ("/authorize", ("GET", "POST"), "authorize", "authorize"),
    ("/access_token", ("POST",), "token", "access_token"),
    ("/userinfo", ("GET", "POST"), "userinfo", "userinfo"),
    ("/connect/jwk_uri", ("GET",), "discovery", "jwk_uri"),
    ("/sign-in", ("POST",), "chosen", "chosen"),
)
"""A path below REALM, its methods, and the module and function of `endpoints` that answer."""

ADDRESSES = tuple(REALM + row[0] for row in PATHS)


def routes(provider: Provider) -> tuple[Route, ...]:
    """The endpoints, as the application takes them. Each is imported when it is first asked, with its libraries."""
    return tuple((REALM + path, methods, _view(provider, module, name)) for path, methods, module, name in PATHS)


def _view(provider: Provider, module: str, name: str) -> Callable[[Broker, BrokerRequest], Response]:
    def answer(_: Broker, asked: BrokerRequest) -> Response:
        asked.holds_secrets = True
        view: View = getattr(import_module(f".endpoints.{module}", __package__), name)
        return view(provider, asked)

    answer.__name__ = f"cis2_{name}"
    return answer
