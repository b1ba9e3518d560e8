"""This installation of Lanyard: its settings, agent and hooks as they run, and the bridge, asked as a program."""

from __future__ import annotations

import json
import subprocess
from importlib.util import find_spec
from typing import Any

from agent import AgentError, ask_agent, check_spine, clean

from .findings import Finding, Findings, Stop, Trouble
from .surroundings import Surroundings

_PATIENCE = 3.0  # seconds
_OFF = "no-origins"  # what `bridge doctor` calls a bridge that no page may use


def look_at_settings(around: Surroundings) -> Findings:
    """Yield whether the settings name a sign-in service and can be used."""
    settings = around.settings
    if around.mistake:
        raise Stop(Finding("settings", str(around.mistake), Trouble.SETTINGS_BROKEN))
    if not settings.spine:
        raise Stop(Finding("settings", "No sign-in service is named.", Trouble.NO_BROKER))
    try:
        check_spine(settings)
        contacts = settings.contacts()
    except AgentError as error:
        raise Stop(Finding("settings", str(error), Trouble.SETTINGS_BROKEN)) from None
    yield Finding("settings", f"The sign-in service is {settings.spine}, by {settings.places.get('spine', 'default')}.")
    for name, place in settings.ignored:
        yield Finding("settings", f"{place} does not count: {settings.places[name]} holds.")
    if contacts.service_desk:
        yield Finding("settings", f"People are sent to: {contacts.service_desk}.")


def look_at_running(around: Surroundings) -> Findings:
    """Yield whether agent and hooks run, and whether another program keeps the keyboard from the agent."""
    try:
        status = ask_agent("GetStatus", _PATIENCE)
    except AgentError:
        trouble = Trouble.AGENT_NOT_RUNNING if around.settings.kiosk else None
        yield Finding("agent", "It does not run for this user now.", trouble)
    else:
        yield Finding("agent", f"It runs: {clean(str(status.get('state')), 40)}.")
        if status.get("has_keyboard") is False:
            yield Finding("keyboard", "Another program keeps it from the agent.", Trouble.KEYBOARD_TAKEN)
    if around.settings.hooks and not _hooks_run(around):
        says = "They do not run, and nobody can sign in without them."
        yield Finding("hooks", says, Trouble.HOOKS_NOT_RUNNING)


def _hooks_run(around: Surroundings) -> bool:
    folders = (f"/{folder.relative_to(around.root)}" for folder, _ in around.processes())
    commands = (around.text(f"{folder}/cmdline").split("\0") for folder in folders)
    return any("hooks" in words and any("kiosk" in word for word in words) for words in commands)


def look_at_bridge(around: Surroundings) -> Findings:
    """Yield a line for each link between pages and the agent that is broken, or one that none is."""
    if not find_spec("bridge"):
        yield Finding("bridge", "It is not installed; only browsers and old programs need it.")
        return
    found = _ask(around)
    if any(each.get("fault") == _OFF for each in found):
        yield Finding("bridge", "It is installed and off: no page may ask, until pages are named in bridge.toml.")
        return
    broken = [each for each in found if each.get("fault")]
    for each in broken:
        says, cure = clean(str(each.get("says"))), clean(str(each.get("cure") or Trouble.BRIDGE_BROKEN.cure))
        yield Finding(f"bridge: {clean(str(each.get('subject')), 60)}", says, Trouble.BRIDGE_BROKEN, cure)
    if not broken:
        yield Finding("bridge", f"Nothing is broken between pages and the agent, in {len(found)} places.")


def _ask(around: Surroundings) -> list[dict[str, Any]]:
    """Return the findings of `bridge doctor --json`. Raises Stop where that is none."""
    try:
        done = around.run(around.python, "-P", "-m", "bridge", "doctor", "--json")
        found = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError, RecursionError) as error:
        raise Stop(
            Finding("bridge", f"bridge doctor says nothing: {type(error).__name__}.", Trouble.BRIDGE_FAILS)
        ) from None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Stop(Finding("bridge", "bridge doctor says something else than findings.", Trouble.BRIDGE_FAILS))
    return found
