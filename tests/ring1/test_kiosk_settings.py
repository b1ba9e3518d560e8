"""kiosk.toml: which values it takes, and whose count."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiosk.errors import SettingsError
from kiosk.events import Happening
from kiosk.settings import Program, load, load_file

PROGRAM = """
[[programs]]
name = "browser"
command = ["chromium", "https://app.example"]
"""


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_program_has_its_usual_values(tmp_path: Path) -> None:
    settings = load_file(written(tmp_path / "kiosk.toml", PROGRAM))
    assert settings.programs == (Program("browser", ("chromium", "https://app.example"), Happening.SIGNED_IN, 10.0),)
    assert settings.programs_at(Happening.SIGNED_OUT) == []
    assert settings.parked_programs == "stop"


def test_the_users_file_counts_but_not_against_what_is_locked(tmp_path: Path) -> None:
    system = written(tmp_path / "etc", 'grace_seconds = 1\n[locked]\nparked_programs = "end"\n' + locked(PROGRAM))
    mine = PROGRAM.replace("browser", "mine")
    written(tmp_path / "home/lanyard/kiosk.toml", f'grace_seconds = 2\nparked_programs = "stop"\n{mine}')
    settings = load({"XDG_CONFIG_HOME": str(tmp_path / "home")}, system)
    assert settings.grace_seconds == 2
    assert settings.parked_programs == "end"
    assert [program.name for program in settings.programs] == ["browser"]
    assert settings.places["programs"] == system


def locked(text: str) -> str:
    return text.replace("[[programs]]", "[[locked.programs]]")


def test_without_files_all_is_as_usual(tmp_path: Path) -> None:
    assert load({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path / "none").programs == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing = 1", "there is no setting nothing"),
        ("locked = 1", "locked is not a table"),
        ("programs = 1", "is not a list of at most 50 tables"),
        ("programs = [1]", "is not a list of at most 50 tables"),
        ("[[programs]]\nname = 'x'", "without name or command"),
        ("[[programs]]\nname = ''\ncommand = ['x']", "name is no line of text"),
        ("[[programs]]\nname = \"a\\nb\"\ncommand = ['x']", "name is no line of text"),
        ("[[programs]]\nname = 'x'\ncommand = 'x'", "command that is not a list of texts"),
        ("[[programs]]\nname = 'x'\ncommand = []", "command that is not a list of texts"),
        ('[[programs]]\nname = "x"\ncommand = ["a\\u0000b"]', "command that is not a list of texts"),
        ("[[programs]]\nname = 'x'\ncommand = ['x']\nat = 'never'", "at is none of signed_in, locked"),
        ("[[programs]]\nname = 'x'\ncommand = ['x']\nseconds = 61", "from 0 to 60"),
        ("[[programs]]\nname = 'x'\ncommand = ['x']\nseconds = nan", "from 0 to 60"),
        ("[[programs]]\nname = 'x'\ncommand = ['x']\nas_root = true", "as_root, which there is not"),
        ("[[programs]]\nname = 'x'\ncommand = ['x']\nrestart = 1", "restart is neither true nor false"),
        (PROGRAM + PROGRAM, "names a program twice"),
        ("parked_programs = 'leave'", 'is neither "stop" nor "end"'),
        ("grace_seconds = true", "from 0 to 60"),
        ("audit_file = 'here'", "is not a path from / on"),
        ("audit_megabytes = 0", "from 1 to 1000"),
        ("extensions = ['x']", "not an id, a semicolon and an address"),
        ("browser = 'chromium'", "command that is not a list of texts"),
        ("browser = []", "command that is not a list of texts"),
        ("x", "is not TOML"),
    ],
    ids=lambda value: value[:50],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path / "kiosk.toml", text)
    with pytest.raises(SettingsError) as raised:
        load_file(path)
    assert str(raised.value).startswith(str(path))
    assert says in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not there"):
        load_file(tmp_path / "none.toml")
