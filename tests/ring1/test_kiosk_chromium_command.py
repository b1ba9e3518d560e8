"""`python3 -m kiosk chromium`: what it becomes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiosk.__main__ import main
from kiosk.chromium.cli import chromium_command, chromium_environment, session_folder
from kiosk.errors import SettingsError
from kiosk.settings import Settings

FOLDER = Path("/run/user/1000/lanyard-kiosk/aa/chromium")


def test_everything_is_in_the_folder_of_the_session() -> None:
    command = chromium_command(Settings(), FOLDER, ["https://app.example/start"], full_screen=False)
    assert command[0] == "chromium"
    assert f"--user-data-dir={FOLDER}/profile" in command
    assert command[-2:] == ["--", "https://app.example/start"]
    around = {"HOME": "/home/ward", "XDG_CONFIG_HOME": "/home/ward/.config", "DISPLAY": ":0"}
    assert chromium_environment(around, FOLDER) == {"HOME": str(FOLDER), "DISPLAY": ":0"}


def test_full_screen_is_asked_for() -> None:
    assert "--kiosk" in chromium_command(Settings(), FOLDER, [], full_screen=True)
    assert "--kiosk" not in chromium_command(Settings(), FOLDER, [], full_screen=False)


@pytest.mark.parametrize(
    "page",
    ["--remote-debugging-port=1", "file:///etc/passwd", "chrome://settings", "javascript:1", "https://", "http://["],
)
def test_only_pages_are_opened(page: str) -> None:
    with pytest.raises(SettingsError, match="no page to open"):
        chromium_command(Settings(), FOLDER, [page], full_screen=False)


def test_outside_of_a_session_there_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for environment in ({}, {"LANYARD_SESSION_DIR": "relative"}):
        with pytest.raises(SettingsError, match="lanyard-kiosk hooks"):
            session_folder(environment)
    config = tmp_path / "kiosk.toml"
    config.write_text("")
    assert main(["chromium", "--config", str(config), "https://app.example"]) == 2
    assert "hooks" in capsys.readouterr().err


def test_a_browser_that_is_not_there_is_said_to_be(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "kiosk.toml"
    config.write_text('browser = ["/nowhere/chromium"]')
    monkeypatch.setenv("LANYARD_SESSION_DIR", str(tmp_path))
    assert main(["chromium", "--config", str(config)]) == 1
    assert capsys.readouterr().err == "kiosk: /nowhere/chromium cannot be started: No such file or directory.\n"


def test_the_policies_install_what_is_configured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config, extension = tmp_path / "kiosk.toml", "abcdefghijklmnopabcdefghijklmnop;file:///opt/lanyard/update.xml"
    config.write_text(f"extensions = {json.dumps([extension])}")
    assert main(["chromium", "--config", str(config), "--policy"]) == 0
    policy = json.loads(capsys.readouterr().out)
    assert policy["ExtensionInstallForcelist"] == [extension]
    assert policy["ExtensionInstallBlocklist"] == ["*"]
    assert policy["DeveloperToolsAvailability"] == 2
