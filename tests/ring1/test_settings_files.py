"""Files that are read when a program starts: what is no file is refused, and never waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.settings import load

import bridge.settings
import kiosk.settings
from agent import Notices, Settings, UsageError, check_spine, log_handler, wants_kiosk

pytestmark = pytest.mark.timeout(20)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.fixture(params=[pipe, device, Path.mkdir], ids=["pipe", "device", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "file.toml"
    request.param(path)
    return path


READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "agent": (lambda path: load(str(path)), UsageError),
    "ca_file": (lambda path: check_spine(Settings(spine="https://broker.example", ca_file=path)), UsageError),
    "kiosk": (lambda path: kiosk.settings.load({}, path), kiosk.settings.SettingsError),
    "kiosk's own": (kiosk.settings.load_file, kiosk.settings.SettingsError),
    "bridge": (lambda path: bridge.settings.load({}, path), bridge.settings.SettingsError),
}


@pytest.mark.parametrize("program", READERS)
def test_it_is_refused_in_a_sentence_with_its_name(program: str, path: Path) -> None:
    read, error = READERS[program]
    with pytest.raises(error) as raised:
        read(path)
    assert path.name in str(raised.value)


def test_what_can_be_done_without_is_passed_over(path: Path) -> None:
    assert not wants_kiosk({}, {"config": path})
    Notices(path)


def test_a_log_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    pipe(tmp_path / "log")
    with pytest.raises(UsageError, match="No such device"):
        log_handler(Settings(log_file=tmp_path / "log"))


def test_no_name_of_a_file_means_none() -> None:
    """As the kiosk's example locks ca_file."""
    assert load(environment={"LANYARD_CA_FILE": ""}).ca_file is None
