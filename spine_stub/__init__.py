"""A stand-in for the Spine Security Broker (GAS), for people who build and test its clients.

`python3 -m spine_stub --data DIR` runs it as a program; `create_app(Config(DIR))` is the same thing
as a WSGI application; `with SpineStub() as spine:` runs it inside a test. Everything it knows lies
in DIR, which `first_start.fill` makes: a test certificate authority, a few people with their roles,
and nine demonstration smartcards.

Test keys only: nothing in here is, or can become, a credential for a real NHS service.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import create_app
    from .config import Config
    from .testing import ANYTHING, SpineStub

__version__ = "0.1.0"
__all__ = ["ANYTHING", "Config", "SpineStub", "create_app"]

_MODULES = {"ANYTHING": "testing", "Config": "config", "SpineStub": "testing", "create_app": "app"}


def __getattr__(name: str) -> object:
    """Import a name's module when it is first asked for, so that pytest loads the plugin without the whole package."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
