"""A PC in a folder, where Chromium and Firefox get the ticket into listed pages. The fixture is `pc`."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge import __version__
from bridge.doctor.examine import examine
from bridge.doctor.findings import Fault
from bridge.doctor.surroundings import Surroundings
from bridge.native_host.browsers import Place
from bridge.native_host.installing import install
from support.agent_socket import SocketServer
from support.native_host import CHROMIUM_ID, FIREFOX_ID, LISTED


@dataclass
class PC:
    """Files and environment of a person's PC; `root` in the folder stands for /, `home` is theirs."""

    folder: Path
    agent: SocketServer
    environment: dict[str, str]

    @property
    def around(self) -> Surroundings:
        return Surroundings(self.environment, self.folder / "root")

    @property
    def manifest(self) -> Path:
        return self.folder / "home/.config/chromium/NativeMessagingHosts/uk.nhs.ncrs.auth.json"

    @property
    def wrapper(self) -> Path:
        return self.folder / "home/.local/share/lanyard/native-host"

    @property
    def preferences(self) -> Path:
        return self.folder / "home/.config/chromium/Default/Preferences"

    @property
    def settings(self) -> Path:
        return self.folder / "root/etc/lanyard/bridge.toml"

    def change(self, file: Path, **values: Any) -> None:
        """Set values in a file of JSON."""
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    def policy(self, where: str, policy: object) -> None:
        """Write a policy for all users."""
        path = self.folder / "root" / where
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(policy))

    def faults(self) -> set[Fault]:
        return {finding.fault for finding in examine(self.around) if finding.fault}


@pytest.fixture
def pc(tmp_path: Path, socket_server: SocketServer) -> PC:
    home = tmp_path / "home"
    socket_server.answers = lambda _: {"parameters": {"state": "signed_in"}}
    environment = {"HOME": str(home), "PATH": str(tmp_path / "bin"), "XDG_RUNTIME_DIR": str(tmp_path)}
    it = PC(tmp_path, socket_server, environment)
    for program in ("chromium", "firefox"):
        write(tmp_path / "bin" / program, "").chmod(0o755)
    install(Place(is_user=True, environment=environment))
    write(it.settings, f'origins = ["{LISTED}"]\nport = {free_port()}\n')
    write(it.preferences, json.dumps({"extensions": {"settings": {CHROMIUM_ID: {"path": "x", "disable_reasons": []}}}}))
    write(it.preferences.parent / "Extensions/x/manifest.json", json.dumps({"version": __version__}))
    addons = {"addons": [{"id": FIREFOX_ID, "version": __version__, "active": True}]}
    write(home / ".mozilla/firefox/abc.default/extensions.json", json.dumps(addons))
    return it


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
