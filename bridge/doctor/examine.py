"""The table of checks, and going through it: first what all browsers need, then each browser that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..native_host.browsers import BROWSERS, Browser, caged
from .extensions import check_extension, check_loopback, check_policy
from .findings import Broken, Fault, Finding
from .hosts import check_host
from .services import check_agent, check_port, check_port_service, check_settings
from .surroundings import Surroundings

# A check returns a sentence when all is well, and raises Broken.
OF_THIS_PC: dict[str, Callable[[Surroundings], str]] = {"port": check_port, "port service": check_port_service}
OF_A_BROWSER: dict[str, Callable[[Browser, Surroundings], str]] = {
    "policy": check_policy,
    "program": check_host,
    "extension": check_extension,
    "loopback": check_loopback,
}


def examine(around: Surroundings) -> Iterator[Finding]:
    """Yield what each check finds. After settings that cannot be read, only what needs none is looked at."""
    settings = _settle("settings", check_settings, around)
    yield settings
    yield _settle("agent", check_agent, around)
    if settings.fault is not Fault.SETTINGS_BROKEN:
        for name, check in OF_THIS_PC.items():
            yield _settle(name, check, around)
    yield from _browsers(around, looks_inside=settings.fault is not Fault.SETTINGS_BROKEN)


def _browsers(around: Surroundings, *, looks_inside: bool) -> Iterator[Finding]:
    there = [browser for browser in BROWSERS if around.program(browser)]
    cages = list(caged(around.root, around.home))
    if not there and not cages:
        yield Finding("browsers", "No browser was found on this PC.", Fault.NO_BROWSER)
    for browser, cage in cages:
        yield Finding(browser.name, f"This browser is here as a {cage}.", Fault.CAGED_BROWSER)
    for browser in there if looks_inside else ():
        for name, check in OF_A_BROWSER.items():
            yield _settle(f"{browser.name}: {name}", check, browser, around)


def _settle(subject: str, check: Callable[..., str], *arguments: Any) -> Finding:
    try:
        return Finding(subject, check(*arguments))
    except Broken as broken:
        return broken.finding(subject)
