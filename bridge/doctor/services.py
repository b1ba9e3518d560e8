"""What the extension is not needed for: the settings, the agent behind its socket, and ports on this PC."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path

from ..agent_socket import AgentSocket, socket_path
from ..errors import AgentNotRunning, BridgeError, ForeignSocket, SettingsError
from ..loopback.owner import owner_of_listener
from .findings import Broken, Fault
from .surroundings import Surroundings

PORT_SERVICE = (43487, 44213, 45031, 46478, 48853)
"""Where programs look for NHS Credential Management's port service, one after another."""


def check_settings(around: Surroundings) -> str:
    """Return how many pages may ask. Raises Broken."""
    try:
        settings = around.settings()
    except SettingsError as error:
        raise Broken(Fault.SETTINGS_BROKEN, str(error)) from None
    if not settings.origins:
        raise Broken(Fault.NO_ORIGINS, "No page may ask: the bridge is off until pages are named.")
    return f"Pages that may ask: {', '.join(sorted(settings.origins))}."


def check_agent(around: Surroundings) -> str:
    """Return whether somebody is signed in, as the agent says. Raises Broken."""
    path = _find_socket(around)
    try:
        with AgentSocket(path) as agent:
            state = agent.get_status().get("state")
    except ForeignSocket as error:
        raise Broken(Fault.AGENT_OF_ANOTHER_USER, str(error)) from None
    except AgentNotRunning as error:
        raise Broken(Fault.AGENT_NOT_RUNNING, str(error)) from None
    except BridgeError as error:
        raise Broken(Fault.AGENT_BROKEN, str(error)) from None
    if state != "signed_in":
        raise Broken(Fault.NOBODY_SIGNED_IN, f"The agent is running, and nobody is signed in ({state}).")
    return "The agent is running, and somebody is signed in."


def _find_socket(around: Surroundings) -> Path:
    """Return where the agent listens for this user. Raises Broken."""
    try:
        path = socket_path(around.environment)
    except AgentNotRunning as error:
        raise Broken(Fault.NO_SESSION_FOLDER, str(error)) from None
    folder = path.parents[1]
    if folder.exists() and folder.stat().st_uid != os.getuid():
        raise Broken(Fault.NO_SESSION_FOLDER, f"XDG_RUNTIME_DIR is {folder}, which is another user's.")
    return path


def check_port(around: Surroundings) -> str:
    """Return who has the port of `serve`. Raises Broken when it is not ours."""
    port = around.settings().port
    owner = owner_of_listener(port)
    if owner is None:
        return f"Nobody serves on port {port}, which only pages without the extension need."
    if owner != os.getuid():
        raise Broken(Fault.PORT_TAKEN, f"Port {port} is taken by a program of user {owner}.")
    if not _is_bridge(port):
        raise Broken(Fault.PORT_TAKEN, f"Port {port} is taken by another program of yours.")
    return f"The bridge serves on port {port}."


def check_port_service(around: Surroundings) -> str:
    """Return whether a port of the port service is another user's, whom programs could take for it. Raises Broken."""
    owners = {port: owner_of_listener(port) for port in PORT_SERVICE}
    foreign = [f"{port} by user {owner}" for port, owner in owners.items() if owner not in (None, os.getuid())]
    if foreign:
        raise Broken(Fault.PORT_SERVICE_TAKEN, f"Ports of NHS Port Service are taken: {', '.join(foreign)}.")
    return "No other user has a port of NHS Port Service."


def _is_bridge(port: int) -> bool:
    """Return whether it is `serve` that answers on a port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read(1000))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return False
    finally:
        connection.close()
    return isinstance(answer, dict) and answer.get("service") == "lanyard-bridge"
