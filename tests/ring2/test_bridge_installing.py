"""Telling the browsers of the native host: what is written, that it starts, and that it is taken away again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.agent_socket import SocketServer
from support.installed import Installed
from support.native_host import CHROMIUM_ID, FIREFOX_ID, FROM_CHROMIUM, LISTED, allow, started
from support.source import ROOT

from bridge.native_host.browsers import Place
from bridge.native_host.installing import InstallError, install, uninstall

SYSTEM = (
    "etc/chromium/native-messaging-hosts",
    "etc/opt/chrome/native-messaging-hosts",
    "etc/opt/edge/native-messaging-hosts",
    "usr/lib/mozilla/native-messaging-hosts",
)
USER = (
    ".config/chromium/NativeMessagingHosts",
    ".config/google-chrome/NativeMessagingHosts",
    ".config/microsoft-edge/NativeMessagingHosts",
    ".mozilla/native-messaging-hosts",
)
NAME = "uk.nhs.ncrs.auth.json"


def run(home: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_CONFIG", "XDG_DATA"))}
    command = [python, "-m", "bridge", "native-host", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment | {"HOME": str(home)}, capture_output=True, text=True)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"])
def test_installed_for_a_user_it_starts_from_any_folder(
    tmp_path: Path, socket_server: SocketServer, python: str
) -> None:
    if not Path(python).exists():
        pytest.skip(f"no {python}")
    home = tmp_path / "a home"
    done = run(home, "--install", "--user", python=python)
    assert done.returncode == 0, done.stderr
    assert files(home) == {".local/share/lanyard/native-host", *(f"{each}/{NAME}" for each in USER)}
    manifest = json.loads((home / USER[0] / NAME).read_text())
    assert manifest["allowed_origins"] == [f"chrome-extension://{CHROMIUM_ID}/"]
    assert json.loads((home / USER[3] / NAME).read_text())["allowed_extensions"] == [FIREFOX_ID]
    with started([manifest["path"], *FROM_CHROMIUM], os.environ | allow(tmp_path / "config", LISTED)) as host:
        assert host.ask({"method": "getToken", "origin": LISTED})["data"] == {"tokenId": "TICKET"}


def test_uninstall_takes_away_what_install_wrote_and_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / USER[0] / "org.example.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    written = run(tmp_path, "--install", "--user").stdout.splitlines()
    assert len([line for line in written if line.startswith("wrote /")]) == 5
    assert any("No page may ask yet." in line for line in written)
    done = run(tmp_path, "--uninstall", "--user")
    assert {line.removeprefix("removed ") for line in done.stdout.splitlines()} == {
        line.removeprefix("wrote ") for line in written if line.startswith("wrote ")
    }
    assert files(tmp_path) == {str(other.relative_to(tmp_path))}
    assert run(tmp_path, "--uninstall", "--user").stdout == "Nothing is installed there.\n"


def test_installed_for_all_users(tmp_path: Path) -> None:
    place = Place(is_user=False, environment={}, destdir=tmp_path)
    install(place)
    assert files(tmp_path) == {"usr/local/lib/lanyard/native-host", *(f"{each}/{NAME}" for each in SYSTEM)}
    for each in SYSTEM:
        manifest = tmp_path / each / NAME
        assert json.loads(manifest.read_text())["path"] == "/usr/local/lib/lanyard/native-host"
        assert manifest.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "usr/local/lib/lanyard/native-host").stat().st_mode & 0o777 == 0o755
    assert len(uninstall(place)) == 5
    assert files(tmp_path) == set()


def test_for_all_users_roots_own_settings_are_not_named(tmp_path: Path) -> None:
    said = run(tmp_path, "--install", "--system", "--destdir", str(tmp_path)).stdout
    assert said.endswith("No page may ask yet. Name pages as origins in /etc/lanyard/bridge.toml.\n")


def test_a_manifest_of_another_program_is_left_alone(tmp_path: Path) -> None:
    manifest = tmp_path / SYSTEM[1] / NAME
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"name": "uk.nhs.ncrs.auth", "path": sys.executable}))
    place = Place(is_user=False, environment={}, destdir=tmp_path)
    with pytest.raises(InstallError, match="belongs to another program"):
        install(place)
    assert uninstall(place) == []
    assert files(tmp_path) == {f"{SYSTEM[1]}/{NAME}"}


def test_a_manifest_that_leads_nowhere_is_written_anew(tmp_path: Path) -> None:
    manifest = tmp_path / SYSTEM[0] / NAME
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"name": "uk.nhs.ncrs.auth", "path": "/nothing/there"}')
    install(Place(is_user=False, environment={}, destdir=tmp_path))
    assert json.loads(manifest.read_text())["path"] == "/usr/local/lib/lanyard/native-host"


def test_a_copy_of_the_extension_with_another_key_can_be_named(tmp_path: Path) -> None:
    place = Place(is_user=False, environment={}, destdir=tmp_path)
    install(place, ("a" * 32, "b" * 32, "ours@hospital.example"))
    chromium, *_, firefox = (json.loads((tmp_path / each / NAME).read_text()) for each in SYSTEM)
    assert chromium["allowed_origins"] == [f"chrome-extension://{letter * 32}/" for letter in "ab"]
    assert firefox["allowed_extensions"] == ["ours@hospital.example"]


def test_what_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(InstallError, match="cannot be written: "):
        install(Place(is_user=False, environment={}, destdir=tmp_path))


def test_the_xdg_folders_are_followed(tmp_path: Path) -> None:
    places = {"HOME": "/home/anna", "XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "/data"}
    place = Place(is_user=True, environment=places, destdir=tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in install(place)}
    assert written == {
        "data/lanyard/native-host",
        *(f"{each.replace('.config', 'config', 1)}/{NAME}" for each in USER[:3]),
        f"home/anna/{USER[3]}/{NAME}",
    }


def test_installed_by_pip(installed: Installed, tmp_path: Path, socket_server: SocketServer) -> None:
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_DATA_HOME": str(tmp_path / "d")}
    command = [installed.bin / "lanyard-bridge", "native-host", "--install", "--user"]
    subprocess.run(command, env=os.environ | environment, check=True, cwd=tmp_path)
    wrapper = tmp_path / "d/lanyard/native-host"
    assert "PYTHONPATH" not in wrapper.read_text()
    with started([wrapper, *FROM_CHROMIUM], os.environ | allow(tmp_path / "c", LISTED)) as host:
        assert host.ask({"method": "getTokenNoAuth", "origin": LISTED})["data"] == {"tokenId": "TICKET"}
