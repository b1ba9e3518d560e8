"""What the system's file locks holds against every other place."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import load, written

from agent import UsageError, check_spine, set_up_logging

LOCKED = 'reader = "usual"\n[locked]\nspine = "https://locked"\nkiosk = true'


def test_what_is_locked_holds_against_everything_else(system_file: Path, tmp_path: Path) -> None:
    written(system_file, LOCKED)
    written(tmp_path / "lanyard" / "agent.toml", 'spine = "https://mine"\nkiosk = false\nreader = "mine"')
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "LANYARD_SPINE": "https://environment", "LANYARD_KIOSK": "no"}
    settings = load(environment=environment, spine="https://option")
    assert (settings.spine, settings.kiosk, settings.reader) == ("https://locked", True, "mine")


def test_what_is_locked_holds_against_a_named_file(system_file: Path, tmp_path: Path) -> None:
    """Which replaces the two files otherwise."""
    written(system_file, LOCKED)
    settings = load(written(tmp_path / "other.toml", 'spine = "https://other"'))
    assert (settings.spine, settings.reader) == ("https://locked", "pcsc")


def test_the_system_s_file_can_be_named(system_file: Path) -> None:
    written(system_file, LOCKED)
    assert load(str(system_file)).reader == "usual"


def test_what_is_overridden_is_said(system_file: Path, tmp_path: Path) -> None:
    written(system_file, LOCKED)
    log = tmp_path / "log"
    settings = load(environment={"LANYARD_SPINE": "https://environment"}, spine="https://option", log_file=str(log))
    assert (
        f'spine = "https://locked"  # {system_file}: locked.spine, against LANYARD_SPINE, against --spine'
        in settings.lines()
    )
    set_up_logging(settings)
    said = log.read_text()
    assert f"--spine does not count, because {system_file}: locked.spine holds" in said
    assert "https://option" not in said


def test_nothing_is_said_of_a_place_that_sets_the_same(system_file: Path) -> None:
    written(system_file, LOCKED)
    assert not load(environment={"LANYARD_KIOSK": "yes"}, kiosk=True, spine="https://locked").ignored


@pytest.mark.parametrize(
    "content", ["locked = true", "[locked]\nspin = 1", "[locked]\nspine = 1", "[locked.locked]\nspine = '1'"]
)
def test_a_bad_lock_is_refused_by_name(system_file: Path, content: str) -> None:
    with pytest.raises(UsageError, match="locked"):
        load(written(system_file, content) and "")


def test_nobody_else_s_file_locks(system_file: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "other.toml", "[locked]\nspine = 'https://other'")
    with pytest.raises(UsageError, match=r"other\.toml: locked is only for"):
        load(file)


def test_a_locked_mistake_is_named_with_its_place(system_file: Path) -> None:
    written(system_file, "[locked]\nspine = 'http://plain'")
    with pytest.raises(UsageError, match=r"agent\.toml: locked\.spine is http://plain"):
        check_spine(load())
