"""`agent.py doctor` as a program: its words, its JSON, its exit code, and the bundle without names."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.kiosk_pc import SharedPC
from support.source import ROOT
from support.spine import Spine

from agent import UsageError
from kiosk.doctor.bundle import redact, write_bundle
from kiosk.doctor.examine import exit_code
from kiosk.doctor.findings import Finding, Trouble


def doctor(*options: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(folder / "agent.py"), *options],
        env={**os.environ, "XDG_CONFIG_HOME": "/nowhere", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )


def test_the_first_thing_that_is_bad_is_the_exit_code() -> None:
    done = doctor("doctor")
    assert done.returncode == 2
    assert done.stdout.startswith(
        "BAD       settings: No sign-in service is named.\n          Name the sign-in service"
    )


def test_it_takes_the_agent_s_options(spine: Spine) -> None:
    done = doctor("--spine", spine.url, "--ca-file", str(spine.ca_file), "--reader", "embedded", "doctor", "--json")
    found = {each["subject"]: each for each in json.loads(done.stdout)}
    assert found["sign-in service"]["verdict"] == "good"
    assert found["smartcard service"]["says"] == "The reader of the demonstration needs none."
    assert {*found["name"]} == {"subject", "verdict", "trouble", "says", "cure"}


def test_a_mistake_in_the_settings_is_a_finding_and_ends_nothing() -> None:
    done = doctor("doctor", "--json", LANYARD_DIGEST="md5")
    first, *others = json.loads(done.stdout)
    assert (first["trouble"], done.returncode) == ("settings_broken", 2)
    assert "LANYARD_DIGEST" in first["says"]
    assert others


def test_where_the_kiosk_was_not_copied_along_it_says_so(tmp_path: Path) -> None:
    shutil.copy(ROOT / "agent.py", tmp_path)
    done = doctor("doctor", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"`doctor` is not on this PC: {tmp_path / 'kiosk'} is missing. Copy that folder there.\n"


@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--help")])
def test_as_a_module_its_help_is_its_own(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "kiosk.doctor", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0
    assert "--bundle FILE" in done.stdout
    assert "--spine" not in done.stdout


def test_the_kiosk_s_help_names_it() -> None:
    done = subprocess.run([sys.executable, "-m", "kiosk", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert "lanyard doctor" in done.stdout


def test_no_module_of_the_folder_it_is_started_in_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "kiosk.py").write_text("raise SystemExit(99)")
    command = [sys.executable, str(ROOT / "agent.py"), "doctor"]
    assert subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=60).returncode != 99


def test_the_service_desk_is_named_where_a_cure_sends_people_there() -> None:
    done = doctor("doctor", LANYARD_SERVICE_DESK="0100 555", LANYARD_SPINE="https://127.0.0.1:1")
    assert "People are sent to: 0100 555." in done.stdout


def test_only_what_is_bad_makes_the_exit_code() -> None:
    doubtful, bad = Finding("a", "b", Trouble.NO_CARD), Finding("a", "b", Trouble.CARD_LOCKED)
    assert exit_code([doubtful]) == 0
    assert exit_code([doubtful, bad, Finding("a", "b", Trouble.NO_BROKER)]) == 6


# The bundle


def test_the_bundle_names_nobody(shared_pc: SharedPC, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "annas-laptop.hospital.example")
    monkeypatch.setattr(getpass, "getuser", lambda: "anna.smith")
    shared_pc.environment.update(HOME="/home/anna.smith", USER="anna.smith")
    shared_pc.set(log_file=Path("/home/anna.smith/agent.log"))
    says = "Card of 555000000001; /home/anna.smith/.config; annas-laptop; Anna.Smith logged in"
    file = tmp_path / "bundle.json"
    write_bundle(file, [Finding("card", says, Trouble.CARD_LOCKED)], shared_pc.around)
    text = file.read_text()
    assert not [secret for secret in ("555000000001", "anna", "laptop", "Smith") if secret.lower() in text.lower()]
    content = json.loads(text)
    assert content["findings"][0]["trouble"] == "card_locked"
    assert content["findings"][0]["says"] == "Card of [uid]; ~/.config; [this PC]; [user] logged in"
    assert set(content) == {"lanyard", "made", "system", "packages", "settings", "findings"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["an", "", "root", "kiosk"])
def test_a_name_that_is_part_of_many_words_hides_none(
    name: str, shared_pc: SharedPC, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: name)
    shared_pc.environment.update(USER=name, LOGNAME=name, HOME="/root")
    text = "an answer of a kiosk, root cause unknown, /root"
    assert redact(text, shared_pc.around) == text


@pytest.mark.parametrize(
    "says",
    [
        "ATR 3B: a card. It is not ours: it is in the name of Amina J. Khan. (the common name)",
        "Of Amina J. Khan, with a key of RSA.",
    ],
)
def test_the_bundle_does_not_name_the_owner_of_another_kind_of_card(
    says: str, shared_pc: SharedPC, tmp_path: Path
) -> None:
    write_bundle(tmp_path / "bundle.json", [Finding("card", says)], shared_pc.around)
    text = (tmp_path / "bundle.json").read_text()
    assert "Khan" not in text
    assert "[name]" in text


def test_a_bundle_is_written_over_no_file_and_through_no_link(shared_pc: SharedPC, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    for name in ("theirs", "link", "no/such/folder"):
        with pytest.raises(UsageError, match=name):
            write_bundle(tmp_path / name, [], shared_pc.around)
    assert (tmp_path / "theirs").read_text() == "precious"


def test_the_program_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    done = doctor("doctor", "--bundle", str(file))
    assert json.loads(file.read_text())["findings"][0]["subject"] == "settings"
    assert str(file) in done.stderr
