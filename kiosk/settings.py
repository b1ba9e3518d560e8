"""The kiosk's settings: /etc/lanyard/kiosk.toml, and over it $XDG_CONFIG_HOME/lanyard/kiosk.toml.

    [locked]                                 # in /etc only: holds against the user's file
    parked_programs = "end"                  # or "stop": what becomes of programs while another person signs in

    [[locked.programs]]
    name = "browser"
    command = ["lanyard-kiosk", "chromium", "https://app.example"]

    [[locked.programs]]
    name = "clean the scanner's folder"
    command = ["/usr/local/bin/clean-scans"]
    at = "signed_out"                        # or signed_in (the usual), locked, resumed, role_changed

On a shared PC one user is everybody: what one person writes into the user's file runs for the next. So put programs
under [locked]. A field of Settings is a key of the file; its metadata says how a value is read.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SettingsError
from .events import Happening

SYSTEM_FILE = Path("/etc/lanyard/kiosk.toml")
STOP, END = "stop", "end"
LONGEST_SECONDS = 60
MOST_PROGRAMS = 50

_EXTENSION = re.compile(r"[a-p]{32};(?:https|file)://\S+")


@dataclass(frozen=True)
class Program:
    """A program of a session, and when it is started.

    One that is started when somebody has signed in runs until the session ends. All others are awaited, for `seconds`
    at most: nobody signs in while one for the end of a session runs.
    """

    name: str
    command: tuple[str, ...]
    at: Happening = Happening.SIGNED_IN
    seconds: float = 10.0
    restart: bool = False
    """Whether it is started again where it ends before its session does: a browser that was closed."""


def read_programs(value: object) -> tuple[Program, ...]:
    """Return the programs that a list of tables names. Raises ValueError."""
    if not isinstance(value, list) or len(value) > MOST_PROGRAMS or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"is not a list of at most {MOST_PROGRAMS} tables")
    programs = tuple(map(_read_program, value))
    if len({program.name for program in programs}) < len(programs):
        raise ValueError("names a program twice")
    return programs


def _read_program(table: dict[str, object]) -> Program:
    known = {"name": _read_line, "command": read_command, "at": _read_happening, "seconds": read_seconds}
    known |= {"restart": _read_restart}
    for name in table:
        if name not in known:
            raise ValueError(f"has a program with {name}, which there is not")
    if "name" not in table or "command" not in table:
        raise ValueError("has a program without name or command")
    values: dict[str, Any] = {name: known[name](value) for name, value in table.items()}
    return Program(**values)


def _read_line(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not value.isprintable():
        raise ValueError("has a program whose name is no line of text")
    return value


def read_command(value: object) -> tuple[str, ...]:
    """Return the words of a command, which are at least one. Raises ValueError."""
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(word, str) and "\0" not in word for word in value)
    ):
        raise ValueError("is or has a command that is not a list of texts")
    return tuple(value)


def _read_restart(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("has a program whose restart is neither true nor false")
    return value


def _read_happening(value: object) -> Happening:
    if not isinstance(value, str) or value not in list(Happening):
        raise ValueError(f"has a program whose at is none of {', '.join(Happening)}")
    return Happening(value)


def read_texts(value: object) -> tuple[str, ...]:
    """Return a list's texts. Raises ValueError when it is no list of texts."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("is not a list of texts")
    return tuple(value)


def read_extensions(value: object) -> tuple[str, ...]:
    """Return a list's extensions, as Chromium's ExtensionInstallForcelist has them. Raises ValueError."""
    texts = read_texts(value)
    for each in texts:
        if not _EXTENSION.fullmatch(each):
            raise ValueError(f'names "{each}", which is not an id, a semicolon and an address')
    return texts


def read_seconds(value: object) -> float:
    """Return a time that a person may be kept waiting. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_SECONDS:
        raise ValueError(f"is not a number of seconds from 0 to {LONGEST_SECONDS}")
    return float(value)


def read_parked(value: object) -> str:
    """Return what becomes of a parked person's programs. Raises ValueError."""
    if value not in (STOP, END):
        raise ValueError(f'is neither "{STOP}" nor "{END}"')
    return str(value)


def read_path(value: object) -> str:
    """Return an absolute path, or an empty text. Raises ValueError."""
    if not isinstance(value, str) or not (value.startswith("/") or not value):
        raise ValueError("is not a path from / on")
    return value


def read_size(value: object) -> int:
    """Return a number of megabytes. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
        raise ValueError("is not a whole number from 1 to 1000")
    return value


def setting(read: Callable[[object], Any], default: Any) -> Any:
    """Return a field of Settings. `read` makes its value of what TOML has, and raises ValueError otherwise."""
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True)
class Settings:
    """What is configured. `places` says from which file each value that was set comes."""

    programs: tuple[Program, ...] = setting(read_programs, ())
    parked_programs: str = setting(read_parked, STOP)
    grace_seconds: float = setting(read_seconds, 0.3)
    """How long programs are given to end by themselves (SIGTERM) before they are killed."""
    audit_file: str = setting(read_path, "")
    """Where the record goes; to journald where this is empty."""
    audit_megabytes: int = setting(read_size, 10)
    """Size of the file from which on it is rotated; nine older ones are kept."""
    extensions: tuple[str, ...] = setting(read_extensions, ())
    """What Chromium's policies install, each as its id, a semicolon, and the address of its update file."""
    browser: tuple[str, ...] = setting(read_command, ("chromium",))
    """Chromium's command, with whatever else it is to be told."""
    places: Mapping[str, Path] = field(default_factory=dict, compare=False)

    def programs_at(self, happening: Happening) -> list[Program]:
        """Return the programs that are started then, in the order of the file."""
        return [program for program in self.programs if program.at is happening]


_FIELDS = {each.name: each for each in dataclasses.fields(Settings) if each.metadata}


def load(environment: Mapping[str, str] = os.environ, system_file: Path = SYSTEM_FILE) -> Settings:
    """Read both files, where they are. Raises SettingsError naming file and key."""
    system = _read(system_file)
    locked = system.pop("locked", {})
    if not isinstance(locked, dict):
        raise SettingsError(f"{system_file}: locked is not a table.")
    users_file = user_file(environment)
    return _of_layers((system, system_file), (_read(users_file), users_file), (locked, system_file))


def load_file(path: Path) -> Settings:
    """Read this file alone. Raises SettingsError naming file and key."""
    values = _read(path, must_exist=True)
    locked = values.pop("locked", {})
    if not isinstance(locked, dict):
        raise SettingsError(f"{path}: locked is not a table.")
    return _of_layers((values, path), (locked, path))


def user_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's own file is, or would be."""
    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home, "lanyard", "kiosk.toml")


def _of_layers(*layers: tuple[dict[str, Any], Path]) -> Settings:
    """Return the settings of several files, a later one's values over an earlier one's."""
    values: dict[str, Any] = {}
    places: dict[str, Path] = {}
    for layer, path in layers:
        for name, value in layer.items():
            values[name], places[name] = _value(name, value, path), path
    return Settings(**values, places=places)


def _value(name: str, value: object, path: Path) -> Any:
    if name not in _FIELDS:
        raise SettingsError(f"{path}: there is no setting {name}.")
    try:
        return _FIELDS[name].metadata["read"](value)
    except ValueError as error:
        raise SettingsError(f"{path}: {name} {error}.") from None


def _read_text(path: Path) -> str:
    """Return the text of a file that is one: a pipe or a device would be waited for. Raises OSError, UnicodeError."""
    with open(path, encoding="utf-8-sig", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return file.read()


def _read(path: Path, *, must_exist: bool = False) -> dict[str, Any]:
    try:
        return tomllib.loads(_read_text(path))
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"{path} is not there.") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.") from None
