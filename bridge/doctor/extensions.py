"""The extension in a browser's profiles, and what policies and permissions say of it.

Chromium keeps both in a profile's Preferences, Firefox extensions in extensions.json. Their policies are files of JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import __version__
from ..native_host import HOST_NAME
from ..native_host.browsers import Browser
from ..native_host.installing import is_firefox_id
from .findings import Broken, Fault
from .hosts import is_users_own
from .surroundings import Surroundings, inner, read_json

_DENIED = 2  # Chromium's CONTENT_SETTING_BLOCK
_PERMISSIONS = ("loopback_network", "local_network_access")


def check_policy(browser: Browser, around: Surroundings) -> str:
    """Return what is to be said of policies that forbid nothing. Raises Broken."""
    policy = _policy(browser, around)
    ids = _ids(browser, around)
    if _is_listed(policy, "NativeMessagingBlocklist", (HOST_NAME,)) and not _is_listed(
        policy, "NativeMessagingAllowlist", (HOST_NAME,)
    ):
        raise Broken(Fault.POLICY_FORBIDS_HOST, f"A policy of this browser blocks {HOST_NAME}.")
    if policy.get("NativeMessagingUserLevelHosts") is False and is_users_own(browser, around):
        raise Broken(Fault.POLICY_FORBIDS_HOST, "A policy of this browser forbids programs of single users.")
    if not _forced(policy, ids) and _is_forbidden(policy, ids):
        raise Broken(Fault.POLICY_FORBIDS_EXTENSION, "A policy of this browser blocks the extension.")
    return "No policy forbids it."


def check_extension(browser: Browser, around: Surroundings) -> str:
    """Return what is to be said of an extension that is in a profile, or that a policy puts there. Raises Broken."""
    ids = _ids(browser, around)
    found = [each for profile in around.profiles(browser) for each in _installed(browser, profile, ids)]
    if not found:
        if _forced(_policy(browser, around), ids):
            return "A policy installs the extension."
        raise Broken(Fault.EXTENSION_MISSING, f"No profile of this browser has the extension {' or '.join(ids)}.")
    version, is_on = max(found, key=lambda each: each[1])
    if not is_on:
        raise Broken(Fault.EXTENSION_DISABLED, "The extension is installed, and switched off.")
    if version not in (__version__, ""):
        says = f"The extension is of version {version}, and this program of {__version__}."
        raise Broken(Fault.EXTENSION_OLD, says)
    return "The extension is installed."


def check_loopback(browser: Browser, around: Surroundings) -> str:
    """Return what is to be said where no page is forbidden to reach this PC. Raises Broken."""
    origins = sorted(around.settings().origins)
    policy = _policy(browser, around)
    for name in ("LoopbackNetworkBlockedForUrls", "LocalNetworkAccessBlockedForUrls"):
        if _is_listed(policy, name, origins):
            raise Broken(Fault.LOOPBACK_DENIED, f"The policy {name} keeps pages from reaching this PC.")
    for profile in () if browser.is_firefox else around.profiles(browser):
        exceptions = inner(read_json(profile / "Preferences"), "profile", "content_settings", "exceptions")
        for origin in origins:
            if any(_is_denied(inner(exceptions, permission), origin) for permission in _PERMISSIONS):
                raise Broken(Fault.LOOPBACK_DENIED, f"Pages of {origin} were forbidden to reach this PC.")
    return "No page is forbidden to reach this PC."


def _is_denied(sites: object, origin: str) -> bool:
    """Return whether one of Chromium's exceptions denies an origin.

    A person's answer is kept with the port, "https://app.example:443,*"; what they choose in the settings without it.
    """
    usual_port = ":443" if origin.startswith("https") else ":80"
    return any(inner(sites, f"{origin}{port},*", "setting") == _DENIED for port in ("", usual_port))


def _ids(browser: Browser, around: Surroundings) -> tuple[str, ...]:
    ids = around.settings().extension_ids
    return tuple(each for each in ids if is_firefox_id(each) == browser.is_firefox)


def _policy(browser: Browser, around: Surroundings) -> dict[str, Any]:
    """Return a browser's policies, of all its files together."""
    policy: dict[str, Any] = {}
    for folder in browser.policies:
        for path in sorted((around.root / folder.relative_to("/")).glob("*.json")):
            content = read_json(path)
            policy |= inner(content, "policies") if browser.is_firefox else content
    return policy


def _is_listed(policy: dict[str, Any], name: str, wanted: tuple[str, ...] | list[str]) -> bool:
    listed = policy.get(name)
    return isinstance(listed, list) and not {*wanted, "*"}.isdisjoint(
        filter(lambda each: isinstance(each, str), listed)
    )


def _forced(policy: dict[str, Any], ids: tuple[str, ...]) -> bool:
    """Return whether a policy installs the extension: Chromium writes `ID;URL` in its list."""
    listed = policy.get("ExtensionInstallForcelist")
    forced = [str(each).partition(";")[0] for each in listed] if isinstance(listed, list) else []
    modes = (inner(policy, "ExtensionSettings", each).get("installation_mode") for each in ids)
    return not set(ids).isdisjoint(forced) or any(mode in ("force_installed", "normal_installed") for mode in modes)


def _is_forbidden(policy: dict[str, Any], ids: tuple[str, ...]) -> bool:
    for each in (*ids, "*"):
        mode = inner(policy, "ExtensionSettings", each).get("installation_mode")
        if mode:
            return mode in ("blocked", "removed")
    allowed = policy.get("ExtensionInstallAllowlist")
    return _is_listed(policy, "ExtensionInstallBlocklist", ids) and not set(ids).intersection(allowed or ())


def _installed(browser: Browser, profile: Path, ids: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Yield version, "" when unknown, and whether it is switched on, of each extension that a profile has."""
    if browser.is_firefox:
        addons = read_json(profile / "extensions.json").get("addons")
        for each in addons if isinstance(addons, list) else ():
            if isinstance(each, dict) and each.get("id") in ids:
                yield str(each.get("version", "")), each.get("active") is True
        return
    for name in ("Preferences", "Secure Preferences"):
        settings = inner(read_json(profile / name), "extensions", "settings")
        for each in ids:
            if about := inner(settings, each):
                yield _version(profile, about), not about.get("disable_reasons")


def _version(profile: Path, about: dict[str, Any]) -> str:
    folder = profile / "Extensions" / str(about.get("path", ""))
    return str(read_json(folder / "manifest.json").get("version", ""))
